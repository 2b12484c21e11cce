"""The GenICam XML: sound in itself, true to the registers, and loaded by EMVA's GenApi."""

import contextlib
import io
import socket
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from genicam import genapi

from heliograph.core import Feature, FeatureKind
from heliograph.gige import gvcp
from heliograph.gige.bootstrap import Register
from heliograph.gige.device.events import EVENT_IDS
from heliograph.gige.device.layout import XML_ADDRESS, lay_out
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.gige.device.transport_nodes import bootstrap_nodes
from heliograph.gige.device.xml import device_xml, zipped
from heliograph.gige.gvcp import AckPacket, Command, CommandPacket, EventMessage
from heliograph.testing.camera import PatternCamera

NS = "{http://www.genicam.org/GenApi/Version_1_1}"
Bench = Any  # conftest.py's, which test modules cannot import


def xml_of(bench: Bench) -> bytes:
    """Read the XML as a client does."""
    url = bench.registers.read(Register.FIRST_URL, 512, 0).split(b"\0", 1)[0].decode()
    name, address, size = url.split(";")
    assert name == "Local:heliograph.zip"
    length = int(size, 16)
    packed = bench.registers.read(int(address, 16), (length + 3) // 4 * 4, 0)[:length]
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        (member,) = archive.namelist()
        return archive.read(member)


def test_every_reference_leads_to_a_node_and_every_name_is_used_once(bench: Bench) -> None:
    root = ET.fromstring(xml_of(bench))
    nodes = [node for node in root.iter() if node.get("Name") and not node.tag.endswith(("EnumEntry", "pVariable"))]
    names = [node.get("Name") for node in nodes]
    assert len(names) == len(set(names))
    references = {child.text for node in nodes for child in node if child.tag.startswith(f"{NS}p")}
    assert references <= set(names)
    unlisted = {name for name in names if name not in references}
    assert unlisted == {"Root"}


def test_every_register_exists_with_its_length_and_access(bench: Bench) -> None:
    bench.take_control()
    checked = 0
    for node in ET.fromstring(xml_of(bench)).iter():
        address, length = node.find(f"{NS}Address"), node.find(f"{NS}Length")
        if address is None or length is None or node.findtext(f"{NS}pPort") != "Device":
            continue
        checked += 1
        access = node.findtext(f"{NS}AccessMode")
        ack = bench.ask(Command.READMEM, gvcp.pack_memory_read(int(str(address.text), 16), int(str(length.text))))
        # Latch commands share a register that reads as 0.
        assert (ack.status == 0) == (access != "WO" or int(str(address.text), 16) == Register.TIMESTAMP_CONTROL)
        if access == "RO":
            write = gvcp.pack_memory(int(str(address.text), 16), bytes(int(str(length.text))))
            # The packet size register has a bit that is read-only and others that are not.
            if int(str(address.text), 16) != Register.STREAM_CHANNEL_PACKET_SIZE:
                assert bench.ask(Command.WRITEMEM, write).status == gvcp.Status.WRITE_PROTECT
    assert checked > 50


def test_only_what_never_changes_may_be_cached(bench: Bench) -> None:
    root = ET.fromstring(xml_of(bench))
    cached = {node.get("Name") for node in root.iter() if node.findtext(f"{NS}Cachable") == "WriteThrough"}
    assert cached == {
        "DeviceVendorName",
        "DeviceModelName",
        "DeviceManufacturerInfo",
        "DeviceVersion",
        "DeviceSerialNumber",
        "DeviceID",
        "GevTimestampTickFrequency__Value",
        "GevMACAddress__Value",
    }


def test_zip_is_the_same_for_the_same_xml_and_the_version_id_is_not_for_another(bench: Bench) -> None:
    xml = xml_of(bench)
    assert zipped(xml) == zipped(xml)
    assert len(zipped(xml)) < len(xml) / 5
    gain = Feature("Gain", FeatureKind.FLOAT, minimum=0.0, maximum=1.0)
    identity = GigeDeviceServer(PatternCamera()).identity
    one, other = (
        ET.fromstring(device_xml(identity, bootstrap_nodes(1500), lay_out(features)))
        for features in ([gain], [gain, Feature("Flip", FeatureKind.BOOLEAN)])
    )
    assert one.get("ProductGuid") == other.get("ProductGuid")
    assert one.get("VersionGuid") != other.get("VersionGuid")


def test_texts_that_xml_cannot_hold_are_served_all_the_same() -> None:
    identity = replace(GigeDeviceServer(PatternCamera()).identity, model="USB\x01cam\ud800")
    gain = Feature("Gain", FeatureKind.FLOAT, description="a\x02 <b>")
    root = ET.fromstring(device_xml(identity, [], lay_out([gain])))
    assert root.get("ToolTip") == "Heliograph USB\N{REPLACEMENT CHARACTER}cam\N{REPLACEMENT CHARACTER}"
    assert root.findtext(f".//{NS}Float/{NS}Description") == "a\N{REPLACEMENT CHARACTER} <b>"


def test_feature_whose_name_genicam_cannot_have_is_left_out(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.camera.features.add(Feature("Colour gains", FeatureKind.STRING), read=lambda: "1 2")
    bench.compose()
    xml = xml_of(bench)
    assert b"Colour" not in xml
    assert b"ExposureTime" in xml
    assert "feature 'Colour gains' cannot be served" in caplog.text


class Port(genapi.AbstractPort):  # type: ignore[misc]  # genicam has no types
    """GenApi's way to our camera: real datagrams, and control so that it may write."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(5)
        self.socket.connect((address, gvcp.PORT))
        self._request_id = 0
        self.ask(Command.WRITEREG, gvcp.pack_writes([(Register.CONTROL_CHANNEL_PRIVILEGE, 2)]))

    def ask(self, code: int, payload: bytes) -> bytes:
        self._request_id += 1
        self.socket.send(CommandPacket(code, self._request_id, payload).pack())
        ack = AckPacket.unpack(self.socket.recv(2048))
        if ack.status:
            raise OSError(f"status 0x{ack.status:04x}")
        return ack.payload

    def read(self, address: int, length: int) -> bytes:
        return gvcp.unpack_memory(self.ask(Command.READMEM, gvcp.pack_memory_read(address, length)))[1]

    def write(self, address: int, data: bytes) -> None:
        self.ask(Command.WRITEMEM, gvcp.pack_memory(address, bytes(data)))

    def get_access_mode(self) -> Any:
        return genapi.EAccessMode.RW


@pytest.fixture
def camera() -> PatternCamera:
    return PatternCamera()


@pytest.fixture
def nodes(camera: PatternCamera, address: str) -> Iterator[Any]:
    """Give the nodes that GenApi makes of our XML, connected to our camera."""
    with GigeDeviceServer(camera, address, "cam-1"):
        port = Port(address)
        url = port.read(Register.FIRST_URL, 512).split(b"\0", 1)[0].decode()
        length = int(url.split(";")[2], 16)
        packed = b"".join(port.read(XML_ADDRESS + at, 512) for at in range(0, length - 512, 512))
        packed += port.read(XML_ADDRESS + len(packed), (length - len(packed) + 3) // 4 * 4)
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            xml = archive.read(archive.namelist()[0])
        node_map = genapi.NodeMap()
        node_map.load_xml_from_string(xml.decode())
        node_map.connect(port, "Device")
        yield node_map
        port.socket.close()


def test_genapi_reads_and_writes_every_kind(nodes: Any, camera: PatternCamera) -> None:
    assert nodes.get_node("DeviceVendorName").value == "Heliograph"
    for name, value in [
        ("Width", 320),
        ("ExposureTime", 123.5),
        ("PixelFormat", "RGB8"),
        ("ReverseX", True),
        ("Note", "grüße"),
    ]:
        nodes.get_node(name).value = value
        assert camera.features[name] == value
        assert nodes.get_node(name).value == value
    assert nodes.get_node("PayloadSize").value == 320 * 480 * 3
    pixel_format = nodes.get_node("PixelFormat")
    assert pixel_format.get_int_value() == 0x02180014
    assert set(pixel_format.symbolics) >= {"Mono8", "BayerRG8", "YCbCr420_8_YY_CbCr_Semiplanar"}


def test_genapi_sees_limits_as_they_are_now(nodes: Any) -> None:
    exposure, width = nodes.get_node("ExposureTime"), nodes.get_node("Width")
    assert (width.min, width.max, width.inc) == (4, 640, 4)
    assert (exposure.min, exposure.max, exposure.unit) == (10.0, 1e5, "us")
    width.value = 320
    assert exposure.max == 1e4
    with pytest.raises(genapi.OutOfRangeException):
        exposure.value = 2e4


def test_genapi_sees_what_is_locked(nodes: Any) -> None:
    width = nodes.get_node("Width")
    assert width.get_access_mode() == genapi.EAccessMode.RW
    nodes.get_node("TLParamsLocked").value = 1
    with pytest.raises(genapi.AccessException):
        width.value = 320
    nodes.get_node("TLParamsLocked").value = 0
    width.value = 320


def test_genapi_uses_the_bits_of_bootstrap_registers(nodes: Any) -> None:
    size = nodes.get_node("GevSCPSPacketSize")
    assert (size.value, size.min, size.inc) == (1500, 576, 4)
    size.value = 9000
    assert size.value == 9000
    nodes.get_node("GevSCPHostPort").value = 40_000
    assert nodes.get_node("GevSCPHostPort").value == 40_000
    assert nodes.get_node("GevCCP").value == "ControlAccess"
    assert nodes.get_node("GevSCPSDoNotFragment").value is True
    assert nodes.get_node("GevTimestampTickFrequency").value == 1_000_000_000
    nodes.get_node("TimestampLatch").execute()
    latched = nodes.get_node("TimestampLatchValue").value
    assert 0 < latched < nodes.get_node("Timestamp").value


def test_genapi_runs_commands(nodes: Any, camera: PatternCamera) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        nodes.get_node("GevSCDA").value = 0x7F000001
        nodes.get_node("GevSCPHostPort").value = receiver.getsockname()[1]
        nodes.get_node("GevSCPSFireTestPacket").execute()
        assert len(receiver.recv(65536)) == 1500 - 28
        start = nodes.get_node("AcquisitionStart")
        start.execute()
        assert start.is_done()
        assert receiver.recv(65536)[4] == 1
        assert camera.running
        nodes.get_node("AcquisitionStop").execute()
        assert not camera.running


def test_genapi_moves_selectors_and_knows_what_they_select(nodes: Any) -> None:
    selector = nodes.get_node("UserSetSelector")
    selected = {each.node.name for each in selector.node.selected_features}
    assert selected == {"UserSetDescription", "UserSetLoad", "UserSetSave"}
    selector.value = "UserSet2"
    nodes.get_node("UserSetDescription").value = "half NV12"
    nodes.get_node("UserSetSave").execute()
    selector.value = "UserSet1"
    assert nodes.get_node("UserSetDescription").value == ""
    nodes.get_node("Width").value = 320
    selector.value = "UserSet2"
    assert nodes.get_node("UserSetDescription").value == "half NV12"
    nodes.get_node("UserSetLoad").execute()
    assert nodes.get_node("Width").value == 640
    for signal, mask in ((0, 1), (1, 0xFFFF_FFFF)):
        nodes.get_node("ActionSelector").value = signal
        nodes.get_node("ActionGroupMask").value = mask
    nodes.get_node("ActionSelector").value = 0
    assert nodes.get_node("ActionGroupMask").value == 1
    nodes.get_node("ActionDeviceKey").value = 7
    nodes.get_node("ActionUnconditionalMode").value = "On"
    assert nodes.get_node("ActionUnconditionalMode").value == "On"


def test_genapi_knows_settings_from_what_is_none(nodes: Any) -> None:
    streamable = {name for name in STREAMABLE | NOT_STREAMABLE if nodes.get_node(name).node.is_streamable()}
    assert streamable == STREAMABLE


STREAMABLE = {"Width", "ExposureTime", "PixelFormat", "EventNotification", "DeviceLinkThroughputLimit"}
NOT_STREAMABLE = {"TLParamsLocked", "PayloadSize", "UserSetDefault", "ActionGroupKey", "GevSCDA", "AcquisitionStart"}


def test_control_is_taken_and_given_back_by_its_feature(nodes: Any) -> None:
    privilege = nodes.get_node("GevCCP")
    privilege.value = "ExclusiveAccess"
    assert privilege.value == "ExclusiveAccess"
    privilege.value = "OpenAccess"
    with pytest.raises(OSError, match="0x8006"):
        nodes.get_node("Width").value = 320
    privilege.value = "ControlAccess"
    nodes.get_node("Width").value = 320


@pytest.mark.parametrize("extended", ["Off", "On"])
def test_genapi_reads_our_events(nodes: Any, extended: str) -> None:
    nodes.get_node("GevGVSPExtendedIDMode").value = extended
    seen: list[tuple[int, int, int]] = []
    event = nodes.get_node("EventExposureEnd")

    def note(node: Any) -> None:
        # GenApi also calls when the node's value is forgotten, which is before and after the event.
        with contextlib.suppress(genapi.AccessException):
            values = [nodes.get_node(f"EventExposureEnd{what}").value for what in ("", "Timestamp", "FrameID")]
            seen.append((values[0], values[1], values[2]))

    callback = genapi.register(event.node, note, genapi.ECallbackType.cbPostInsideLock)
    adapter = genapi.EventAdapterGEV(nodes.pointer)
    for name, block_id in (("FrameStart", 6), ("ExposureEnd", 0xFFFF)):
        message = EventMessage(EVENT_IDS[name], block_id, 1 << 60 | block_id, extended=extended == "On")
        adapter.deliver_message(message.pack(1))
    adapter.detach_node_map()
    genapi.deregister(callback)
    assert seen == [(0x9002, 1 << 60 | 0xFFFF, 0xFFFF)]
