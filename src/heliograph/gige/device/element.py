"""Pieces that GenICam XML is made of."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from heliograph.core import Access

DEVICE_PORT = "Device"
"""The port through which registers of the camera are read and written."""


def child(parent: ET.Element, tag: str, text: object) -> None:
    """Add an element that holds a text."""
    ET.SubElement(parent, tag).text = str(text)


def common(node: ET.Element, description: str, visibility: str) -> None:
    """Add what every feature tells of itself."""
    if description:
        child(node, "ToolTip", description)
        child(node, "Description", description)
    child(node, "Visibility", visibility)


def locate(
    node: ET.Element,
    address: int,
    length_bytes: int,
    access: Access,
    *,
    constant: bool = False,
    port: str = DEVICE_PORT,
    address_node: str = "",
) -> None:
    """Add where a register lies: at `address`, and beyond it by the value of `address_node`."""
    child(node, "Address", f"0x{address:X}")
    if address_node:
        child(node, "pAddress", address_node)
    child(node, "Length", length_bytes)
    child(node, "AccessMode", access.value)
    child(node, "pPort", port)
    # Limits and values move on their own: only what never changes may be remembered.
    child(node, "Cachable", "WriteThrough" if constant else "NoCache")
