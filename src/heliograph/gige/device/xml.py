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
from heliograph.gige.device.identity import DeviceIdentity
from heliograph.gige.device.layout import FeatureRegister
from heliograph.gige.device.transport_nodes import BootstrapNode

_NAMESPACE = "http://www.genicam.org/GenApi/Version_1_1"
_SCHEMA = "http://www.genicam.org/GenApi/GenApiSchema_Version_1_1.xsd"
_GUIDS = uuid.UUID("3c0e9a4e-6c5b-5f0e-9d0b-7e2f6f1c0a11")
_FIRST_DATE = (1980, 1, 1, 0, 0, 0)
_PORT = "Device"


def device_xml(identity: DeviceIdentity, nodes: Iterable[BootstrapNode], registers: Iterable[FeatureRegister]) -> bytes:
    """Give the XML that describes these features, elements in the order that schema 1.1 asks for."""
    features = ET.Element("Group", Comment="Features")
    categories: dict[str, list[str]] = {"DeviceControl": []}
    for node in nodes:
        categories.setdefault(node.category, []).append(node.name)
        _bootstrap_feature(features, node)
    for register in registers:
        categories.setdefault(register.feature.category, []).append(register.feature.name)
        _camera_feature(features, register)
    root = ET.Element("RegisterDescription", _attributes(identity))
    _categories(root, categories)
    root.append(features)
    _child(ET.SubElement(root, "Port", Name=_PORT, NameSpace="Standard"), "Description", "Registers of the camera.")
    # The version id follows from the content, so that no client uses a description it remembers from another camera.
    root.set("VersionGuid", str(uuid.uuid5(_GUIDS, ET.tostring(root, "unicode"))).upper())
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, "unicode")}\n'.encode()


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
            _child(category, "pFeature", member)


def _child(parent: ET.Element, tag: str, text: object) -> None:
    ET.SubElement(parent, tag).text = str(text)


def _camera_feature(group: ET.Element, register: FeatureRegister) -> None:
    feature = register.feature
    source = f"{feature.name}__Value"
    text = feature.kind is FeatureKind.STRING
    node = ET.SubElement(group, "StringReg" if text else feature.kind.value, Name=feature.name, NameSpace="Standard")
    _common(node, feature.description, feature.visibility)
    if feature.locks_while_streaming:
        _child(node, "pIsLocked", LOCK_FEATURE)
    if text:
        _register(node, register.address, register.length_bytes, feature.access)
        return
    _entries(node, feature.entries)
    _child(node, "pValue", source)
    _value_details(node, feature.kind)
    for limit in register.limits:
        _child(node, f"p{limit}", f"{feature.name}__{limit}")
    if feature.unit and feature.kind in (FeatureKind.INTEGER, FeatureKind.FLOAT):
        _child(node, "Unit", feature.unit)
    access = Access.WRITE_ONLY if feature.kind is FeatureKind.COMMAND else feature.access
    _value_register(group, source, feature.kind, register, register.address, access)
    for limit, address in register.limits.items():
        _value_register(group, f"{feature.name}__{limit}", feature.kind, register, address, Access.READ_ONLY)


def _value_register(
    group: ET.Element, name: str, kind: FeatureKind, register: FeatureRegister, address: int, access: Access
) -> None:
    node = ET.SubElement(group, "FloatReg" if kind is FeatureKind.FLOAT else "IntReg", Name=name)
    _register(node, address, register.length_bytes, access)
    if kind is not FeatureKind.FLOAT:
        _child(node, "Sign", "Signed" if register.signed else "Unsigned")
    _child(node, "Endianess", "BigEndian")


def _bootstrap_feature(group: ET.Element, node: BootstrapNode) -> None:
    source = f"{node.name}__Value"
    text = node.kind is FeatureKind.STRING
    element = ET.SubElement(group, "StringReg" if text else node.kind.value, Name=node.name, NameSpace="Standard")
    _common(element, node.description, node.visibility)
    if text:
        _register(element, node.address, node.length_bytes, node.access, constant=node.constant)
        return
    _entries(element, node.entries)
    _child(element, "pValue", source)
    _value_details(element, node.kind, node.command_value)
    if node.limits:
        for tag, value in zip(("Min", "Max", "Inc"), node.limits, strict=True):
            _child(element, tag, value)
    if node.unit:
        _child(element, "Unit", node.unit)
    if node.representation:
        _child(element, "Representation", node.representation)
    register = ET.SubElement(group, "MaskedIntReg" if node.bits else "IntReg", Name=source)
    _register(register, node.address, node.length_bytes, node.access, constant=node.constant)
    if node.bits:
        first, last = node.bits
        _child(register, "LSB", last)
        _child(register, "MSB", first)
    _child(register, "Sign", "Unsigned")
    _child(register, "Endianess", "BigEndian")


def _common(node: ET.Element, description: str, visibility: str) -> None:
    if description:
        _child(node, "ToolTip", description)
        _child(node, "Description", description)
    _child(node, "Visibility", visibility)


def _entries(node: ET.Element, entries: Mapping[str, int]) -> None:
    for name, number in entries.items():
        _child(ET.SubElement(node, "EnumEntry", Name=name, NameSpace="Standard"), "Value", number)


def _value_details(node: ET.Element, kind: FeatureKind, command_value: int = 1) -> None:
    if kind is FeatureKind.BOOLEAN:
        _child(node, "OnValue", 1)
        _child(node, "OffValue", 0)
    if kind is FeatureKind.COMMAND:
        _child(node, "CommandValue", command_value)


def _register(node: ET.Element, address: int, length_bytes: int, access: Access, *, constant: bool = False) -> None:
    _child(node, "Address", f"0x{address:X}")
    _child(node, "Length", length_bytes)
    _child(node, "AccessMode", access.value)
    _child(node, "pPort", _PORT)
    # Limits and values move on their own: only what never changes may be remembered.
    _child(node, "Cachable", "WriteThrough" if constant else "NoCache")
