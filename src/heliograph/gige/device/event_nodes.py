"""What an event carries, as features that GenApi fills when a message arrives.

GenApi's adapter gives a node map the item of an EVENT message as the memory of the port of its event id: id at 2, block
id at 6, timestamp at 8; with 64-bit block ids, block id at 8 and timestamp at 16 (seen with `genicam`).
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from heliograph.core import Access, Visibility
from heliograph.gige.device.element import child, common, locate
from heliograph.gige.device.events import EVENT_IDS

_EXTENDED = "GevGVSPExtendedIDMode__Value"
_SHIFT = "EventExtendedIDShift"


def event_features(group: ET.Element, categories: dict[str, list[str]]) -> None:
    """Add the features of the data of every event, and list them by category."""
    listed = categories.setdefault("EventControl", [])
    _knife(group, _SHIFT, "EXTENDED ? 8 : 0", {"EXTENDED": _EXTENDED})
    for event in EVENT_IDS:
        name = f"Event{event}"
        _register(group, f"{name}__ID", name, 2, 2)
        _register(group, f"{name}__Time", name, 8, 8, _SHIFT)
        _register(group, f"{name}__Block16", name, 6, 2)
        _register(group, f"{name}__Block64", name, 8, 8)
        blocks = {"EXTENDED": _EXTENDED, "SHORT": f"{name}__Block16", "LONG": f"{name}__Block64"}
        _knife(group, f"{name}__Block", "EXTENDED ? LONG : SHORT", blocks)
        for feature, value, what, unit in (
            (name, f"{name}__ID", "Id of the event, known when it has come.", ""),
            (f"{name}Timestamp", f"{name}__Time", "Time of the event.", "ns"),
            (f"{name}FrameID", f"{name}__Block", "Block id of the frame that the event is of.", ""),
        ):
            node = ET.SubElement(group, "Integer", Name=feature, NameSpace="Standard")
            common(node, what, Visibility.EXPERT)
            child(node, "pValue", value)
            if unit:
                child(node, "Unit", unit)
            listed.append(feature)


def event_ports(root: ET.Element) -> None:
    """Add the port of every event."""
    for event, number in EVENT_IDS.items():
        port = ET.SubElement(root, "Port", Name=_port(f"Event{event}"), NameSpace="Standard")
        child(port, "EventID", f"{number:04X}")


def _port(feature: str) -> str:
    return f"{feature}__Port"


def _register(
    group: ET.Element, name: str, feature: str, address: int, length_bytes: int, address_node: str = ""
) -> None:
    node = ET.SubElement(group, "IntReg", Name=name)
    locate(node, address, length_bytes, Access.READ_ONLY, port=_port(feature), address_node=address_node)
    child(node, "Sign", "Unsigned")
    child(node, "Endianess", "BigEndian")


def _knife(group: ET.Element, name: str, formula: str, variables: dict[str, str]) -> None:
    node = ET.SubElement(group, "IntSwissKnife", Name=name)
    for variable, source in variables.items():
        ET.SubElement(node, "pVariable", Name=variable).text = source
    child(node, "Formula", formula)
