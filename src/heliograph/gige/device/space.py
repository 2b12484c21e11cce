"""The address space of a served camera: bootstrap registers, the features of all its parts, and the XML about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from heliograph.core import Features, FeatureValue
from heliograph.gige.device.actions import action_features
from heliograph.gige.device.bootstrap import bootstrap_cells
from heliograph.gige.device.events import event_features
from heliograph.gige.device.identity import DeviceIdentity
from heliograph.gige.device.layout import XML_ADDRESS, feature_cells, lay_out
from heliograph.gige.device.memory import CameraMemory
from heliograph.gige.device.registers import Cell, RegisterMap, constant_cell
from heliograph.gige.device.served import ServedFeatures
from heliograph.gige.device.state import DeviceState
from heliograph.gige.device.transport_nodes import bootstrap_nodes
from heliograph.gige.device.usersets import UserSets
from heliograph.gige.device.xml import device_xml, zipped


@dataclass(frozen=True, slots=True)
class CameraSpace:
    """What clients of a camera reach."""

    features: ServedFeatures
    user_sets: UserSets
    registers: RegisterMap


def camera_space(
    camera: Features,
    transport: Features,
    identity: DeviceIdentity,
    state: DeviceState,
    memory: CameraMemory,
    presets: Mapping[str, Mapping[str, FeatureValue]],
) -> CameraSpace:
    """Put the parts of a camera together; where two have a feature of one name, the network's goes before its own."""
    nodes = bootstrap_nodes(state.largest_packet_bytes)
    features = ServedFeatures({node.name for node in nodes})
    user_sets = UserSets(features, memory, presets)
    for source in (transport, action_features(state.actions), event_features(state.messages), user_sets, camera):
        features.add(source)
    registers = lay_out(features.describe(name) for name in features)
    xml = zipped(device_xml(identity, nodes, registers))
    cells: list[Cell] = bootstrap_cells(identity, state, f"Local:heliograph.zip;{XML_ADDRESS:X};{len(xml):X}")
    for register in registers:
        cells += feature_cells(register, features)
    # Clients read whole words and round up.
    cells.append(constant_cell(XML_ADDRESS, xml + bytes(4 + -len(xml) % 4)))
    return CameraSpace(features, user_sets, RegisterMap(cells))
