"""The GenICam XML of a camera (schema 1.1): every feature, where its registers are, and when it is locked."""

from __future__ import annotations

import io
import re
import uuid
import zipfile
from collections.abc import Iterable, Mapping
from xml.etree import ElementTree as ET

from heliograph.core import Access, FeatureKind
from heliograph.gige.bootstrap import LOCK_FEATURE
from heliograph.gige.device.chunk_nodes import chunk_features, chunk_ports
from heliograph.gige.device.element import DEVICE_PORT, child, common, locate
from heliograph.gige.device.event_nodes import event_features, event_ports
from heliograph.gige.device.identity import DeviceIdentity
from heliograph.gige.device.layout import FeatureRegister
from heliograph.gige.device.transport_nodes import BootstrapNode

_NAMESPACE = "http://www.genicam.org/GenApi/Version_1_1"
_SCHEMA = "http://www.genicam.org/GenApi/GenApiSchema_Version_1_1.xsd"
_GUIDS = uuid.UUID("3c0e9a4e-6c5b-5f0e-9d0b-7e2f6f1c0a11")
_FIRST_DATE = (1980, 1, 1, 0, 0, 0)
# What XML 1.0 (2.2) cannot hold, not even escaped: control characters, as names of USB devices may have.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def device_xml(identity: DeviceIdentity, nodes: Iterable[BootstrapNode], registers: Iterable[FeatureRegister]) -> bytes:
    """Give the XML that describes these features, elements in the order that schema 1.1 asks for."""
    features = ET.Element("Group", Comment="Features")
    categories: dict[str, list[str]] = {"DeviceControl": []}
    for node in nodes:
        categories.setdefault(node.category, []).append(node.name)
        _bootstrap_feature(features, node)
    registers = list(registers)
    for register in registers:
        categories.setdefault(register.feature.category, []).append(register.feature.name)
        own_name = register.feature.name
        selected = [each.feature.name for each in registers if each.feature.selected_by == own_name]
        _camera_feature(features, register, selected)
        if any(each.feature.automatic_by == own_name for each in registers):
            _automatic_lock(features, register)
    event_features(features, categories)
    chunk_features(features, categories)
    root = ET.Element("RegisterDescription", _attributes(identity))
    _categories(root, categories)
    root.append(features)
    port = ET.SubElement(root, "Port", Name=DEVICE_PORT, NameSpace="Standard")
    child(port, "Description", "Registers of the camera.")
    event_ports(root)
    chunk_ports(root)
    # The version id follows from the content, so that no client uses a description it remembers from another camera.
    root.set("VersionGuid", str(uuid.uuid5(_GUIDS, _text(root))).upper())
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_text(root)}\n'.encode()


def _text(root: ET.Element) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", ET.tostring(root, "unicode"))


def zipped(xml: bytes) -> bytes:
    """Give the XML as the one member of a zip file; the same XML always gives the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("heliograph.xml", _FIRST_DATE), xml, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _attributes(identity: DeviceIdentity) -> dict[str, str]:
    model, vendor = (re.sub(r"\W", "_", text, flags=re.ASCII) for text in (identity.model, identity.vendor))
    return {
        "ModelName": model,
        "VendorName": vendor,
        "ToolTip": f"{identity.vendor} {identity.model}",
        "StandardNameSpace": "GEV",
        "SchemaMajorVersion": "1",
        "SchemaMinorVersion": "1",
        "SchemaSubMinorVersion": "0",
        "MajorVersion": "1",
        "MinorVersion": "0",
        "SubMinorVersion": "0",
        "ProductGuid": str(uuid.uuid5(_GUIDS, f"{vendor}|{model}")).upper(),
        "xmlns": _NAMESPACE,
        "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
        "xsi:schemaLocation": f"{_NAMESPACE} {_SCHEMA}",
    }


def _categories(root: ET.Element, categories: dict[str, list[str]]) -> None:
    group = ET.SubElement(root, "Group", Comment="Categories")
    for name, members in {"Root": list(categories), **categories}.items():
        category = ET.SubElement(group, "Category", Name=name, NameSpace="Standard")
        for member in members:
            child(category, "pFeature", member)


def _camera_feature(group: ET.Element, register: FeatureRegister, selected: list[str]) -> None:
    feature = register.feature
    source = f"{feature.name}__Value"
    text = feature.kind is FeatureKind.STRING
    node = ET.SubElement(group, "StringReg" if text else feature.kind.value, Name=feature.name, NameSpace="Standard")
    common(node, feature.description, feature.visibility)
    if feature.locks_while_streaming:
        child(node, "pIsLocked", LOCK_FEATURE)
    elif feature.automatic_by:
        child(node, "pIsLocked", _automatic_lock_name(feature.automatic_by))
    if feature.streamable and feature.access is Access.READ_WRITE and feature.kind is not FeatureKind.COMMAND:
        child(node, "Streamable", "Yes")
    if text:
        locate(node, register.address, register.length_bytes, feature.access)
        return
    _entries(node, feature.entries)
    child(node, "pValue", source)
    _value_details(node, feature.kind)
    for limit in register.limits:
        child(node, f"p{limit}", f"{feature.name}__{limit}")
    if feature.unit and feature.kind in (FeatureKind.INTEGER, FeatureKind.FLOAT):
        child(node, "Unit", feature.unit)
    for name in selected:
        child(node, "pSelected", name)
    access = Access.WRITE_ONLY if feature.kind is FeatureKind.COMMAND else feature.access
    _value_register(group, source, feature.kind, register, register.address, access)
    for limit, address in register.limits.items():
        _value_register(group, f"{feature.name}__{limit}", feature.kind, register, address, Access.READ_ONLY)


def _automatic_lock(group: ET.Element, register: FeatureRegister) -> None:
    """Add what locks the values that an enumeration such as ExposureAuto makes the camera set itself."""
    feature = register.feature
    node = ET.SubElement(group, "IntSwissKnife", Name=_automatic_lock_name(feature.name))
    ET.SubElement(node, "pVariable", Name="AUTO").text = f"{feature.name}__Value"
    child(node, "Formula", f"AUTO <> {feature.entries['Off']}")


def _automatic_lock_name(name: str) -> str:
    return f"{name}__IsNotOff"


def _value_register(
    group: ET.Element, name: str, kind: FeatureKind, register: FeatureRegister, address: int, access: Access
) -> None:
    node = ET.SubElement(group, "FloatReg" if kind is FeatureKind.FLOAT else "IntReg", Name=name)
    locate(node, address, register.length_bytes, access)
    if kind is not FeatureKind.FLOAT:
        child(node, "Sign", "Signed" if register.signed else "Unsigned")
    child(node, "Endianess", "BigEndian")


def _bootstrap_feature(group: ET.Element, node: BootstrapNode) -> None:
    source = f"{node.name}__Value"
    text = node.kind is FeatureKind.STRING
    element = ET.SubElement(group, "StringReg" if text else node.kind.value, Name=node.name, NameSpace="Standard")
    common(element, node.description, node.visibility)
    if text:
        locate(element, node.address, node.length_bytes, node.access, constant=node.constant)
        return
    _entries(element, node.entries)
    child(element, "pValue", source)
    _value_details(element, node.kind, node.command_value)
    if node.limits:
        for tag, value in zip(("Min", "Max", "Inc"), node.limits, strict=True):
            child(element, tag, value)
    if node.unit:
        child(element, "Unit", node.unit)
    if node.representation:
        child(element, "Representation", node.representation)
    register = ET.SubElement(group, "MaskedIntReg" if node.bits else "IntReg", Name=source)
    locate(register, node.address, node.length_bytes, node.access, constant=node.constant)
    if node.bits:
        first, last = node.bits
        child(register, "LSB", last)
        child(register, "MSB", first)
    child(register, "Sign", "Unsigned")
    child(register, "Endianess", "BigEndian")


def _entries(node: ET.Element, entries: Mapping[str, int]) -> None:
    for name, number in entries.items():
        child(ET.SubElement(node, "EnumEntry", Name=name, NameSpace="Standard"), "Value", number)


def _value_details(node: ET.Element, kind: FeatureKind, command_value: int = 1) -> None:
    if kind is FeatureKind.BOOLEAN:
        child(node, "OnValue", 1)
        child(node, "OffValue", 0)
    if kind is FeatureKind.COMMAND:
        child(node, "CommandValue", command_value)
