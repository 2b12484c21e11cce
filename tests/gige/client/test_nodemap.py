"""Features through GenApi: an XML with everything GenICam can do, our own camera, and cameras that fail."""

import contextlib
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from heliograph.core import (
    Access,
    CameraLostError,
    FeatureAccessError,
    FeatureKind,
    FeatureNotFoundError,
    FeatureValueError,
    HeliographError,
    MissingDependencyError,
    RemoteProtocolError,
    RemoteStatusError,
    Visibility,
)
from heliograph.core.settings import snapshot
from heliograph.gige.bootstrap import Register
from heliograph.gige.client.device import GigeDevice
from heliograph.gige.client.nodemap import NodeMapFeatures
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.gige.gvcp import Status
from heliograph.testing.camera import PatternCamera


def register(name: str, address: int, access: str = "RW", cachable: str = "WriteThrough", kind: str = "IntReg") -> str:
    return f"""<{kind} Name="{name}"><Address>0x{address:X}</Address><Length>4</Length><AccessMode>{access}</AccessMode>
        <pPort>Device</pPort><Cachable>{cachable}</Cachable>{"<Sign>Unsigned</Sign>" if kind == "IntReg" else ""}
        <Endianess>BigEndian</Endianess></{kind}>"""


# Our own words, after the schema of GenApi; every kind of indirection that a camera's XML may have.
XML = f"""<?xml version="1.0" encoding="UTF-8"?>
<RegisterDescription ModelName="M" VendorName="V" StandardNameSpace="GEV" SchemaMajorVersion="1" SchemaMinorVersion="1"
  SchemaSubMinorVersion="0" MajorVersion="1" MinorVersion="0" SubMinorVersion="0" ToolTip="t" ProductGuid="1"
  VersionGuid="1" xmlns="http://www.genicam.org/GenApi/Version_1_1">
<Category Name="Root"><pFeature>ImageFormatControl</pFeature><pFeature>Other</pFeature></Category>
<Category Name="ImageFormatControl"><pFeature>Width</pFeature><pFeature>PixelFormat</pFeature></Category>
<Category Name="Other"><pFeature>Gain</pFeature><pFeature>GainSelector</pFeature><pFeature>ExposureTime</pFeature>
  <pFeature>Counter</pFeature><pFeature>Secret</pFeature><pFeature>Missing</pFeature><pFeature>Note</pFeature>
  <pFeature>Run</pFeature><pFeature>Hang</pFeature><pFeature>Flip</pFeature><pFeature>Inner</pFeature>
  <pFeature>Raw</pFeature></Category>
<Category Name="Inner"><pFeature>Area</pFeature></Category>
<Integer Name="Width"><Description>Width in px.</Description><pIsLocked>TLParamsLocked</pIsLocked>
  <pValue>WidthReg</pValue>
  <Min>16</Min><pMax>WidthMaxReg</pMax><Inc>16</Inc><Unit>px</Unit></Integer>
<Enumeration Name="PixelFormat"><EnumEntry Name="Mono8"><Value>17301505</Value></EnumEntry>
  <EnumEntry Name="RGB8"><pIsAvailable>ColourReg</pIsAvailable><Value>35127316</Value></EnumEntry>
  <pValue>FormatReg</pValue></Enumeration>
<Enumeration Name="GainSelector"><EnumEntry Name="Red"><Value>0</Value></EnumEntry>
  <EnumEntry Name="Blue"><Value>1</Value></EnumEntry><pValue>SelectorReg</pValue>
  <pSelected>Gain</pSelected></Enumeration>
<Integer Name="Gain"><Visibility>Expert</Visibility><pValue>GainReg</pValue><Min>0</Min><Max>100</Max></Integer>
<IntReg Name="GainReg"><Address>0x300</Address>
  <IntSwissKnife Name="GainOffset"><pVariable Name="S">SelectorReg</pVariable>
  <Formula>S*4</Formula></IntSwissKnife><Length>4</Length><AccessMode>RW</AccessMode><pPort>Device</pPort>
  <Sign>Unsigned</Sign><Endianess>BigEndian</Endianess></IntReg>
<Converter Name="ExposureTime"><FormulaTo>FROM*10</FormulaTo><FormulaFrom>TO/10</FormulaFrom>
  <pValue>ExposureReg</pValue><Unit>us</Unit></Converter>
<Integer Name="Counter"><pValue>CounterReg</pValue></Integer>
<Integer Name="Secret"><pIsAvailable>ColourReg</pIsAvailable><pValue>SecretReg</pValue></Integer>
<Integer Name="Missing"><pIsImplemented>ZeroReg</pIsImplemented><pValue>SecretReg</pValue></Integer>
<StringReg Name="Note"><Address>0x501</Address><Length>10</Length><AccessMode>RW</AccessMode>
  <pPort>Device</pPort></StringReg>
<Command Name="Run"><pValue>RunReg</pValue><CommandValue>1</CommandValue></Command>
<Command Name="Hang"><pValue>HangReg</pValue><CommandValue>1</CommandValue></Command>
<Boolean Name="Flip"><pIsLocked>FlipLockReg</pIsLocked><pValue>FlipReg</pValue>
  <OnValue>1</OnValue><OffValue>0</OffValue></Boolean>
<Register Name="Raw"><Address>0x700</Address><Length>64</Length><AccessMode>RO</AccessMode>
  <pPort>Device</pPort></Register>
<IntSwissKnife Name="Area"><pVariable Name="W">Width</pVariable><Formula>W*W</Formula></IntSwissKnife>
<Integer Name="TLParamsLocked"><pValue>LockReg</pValue><Min>0</Min><Max>1</Max></Integer>
{register("WidthReg", 0x3000)}{register("WidthMaxReg", 0x3004, "RO")}{register("FormatReg", 0x3008)}
{register("ColourReg", 0x300C, "RO")}{register("SelectorReg", 0x3010)}{register("ExposureReg", 0x3014)}
{register("CounterReg", 0x3018, "RO")}{register("SecretReg", 0x301C)}{register("ZeroReg", 0x3020, "RO")}
{register("RunReg", 0x3024, cachable="NoCache")}{register("HangReg", 0x3028, cachable="NoCache")}
{register("FlipReg", 0x302C)}{register("FlipLockReg", 0x3030, "RO")}{register("LockReg", 0x3034)}
<Port Name="Device"/></RegisterDescription>
"""

WIDTH, WIDTH_MAX, FORMAT, COLOUR, EXPOSURE, COUNTER, RUN, FLIP_LOCK, LOCK = (
    *(0x3000, 0x3004, 0x3008, 0x300C, 0x3014, 0x3018, 0x3024, 0x3030, 0x3034),
)
XML_AT = 0x8000


class MemoryDevice:
    """A camera's memory without a network; `fail` is raised by every access that `fails` says, once it is set."""

    address = "10.0.0.1"

    def __init__(self, xml: str = XML, control: bool = True) -> None:
        self.control = control
        self.memory = bytearray(0x10000)
        self.fails: Callable[[], bool] = lambda: False
        self.fail: HeliographError = RemoteStatusError("the camera refused: it is busy", Status.BUSY)
        self.finishes = 0
        data = xml.encode()
        self.memory[XML_AT : XML_AT + len(data)] = data
        url = f"Local:m.xml;{XML_AT:X};{len(data):X}".encode()
        self.memory[Register.FIRST_URL : Register.FIRST_URL + len(url)] = url
        self.write(Register.DEVICE_MODE, 0x8000_0001)
        for address, value in [(WIDTH, 640), (WIDTH_MAX, 1024), (FORMAT, 17301505), (EXPOSURE, 50), (COLOUR, 1)]:
            self.write(address, value)

    def write(self, address: int, value: int) -> None:
        """Change a register, as the camera itself does."""
        self.memory[address : address + 4] = value.to_bytes(4, "big")

    def read(self, address: int) -> int:
        return int.from_bytes(self.memory[address : address + 4], "big")

    def read_register(self, address: int) -> int:
        return int.from_bytes(self.read_memory(address, 4), "big")

    def write_register(self, address: int, value: int) -> None:
        self.write_memory(address, value.to_bytes(4, "big"))

    def read_memory(self, address: int, count_bytes: int) -> bytes:
        if self.fails():
            raise self.fail
        if address == RUN and self.read(RUN):
            self.finishes += 1
            self.write(RUN, self.finishes < 3)
        return bytes(self.memory[address : address + count_bytes])

    def write_memory(self, address: int, data: bytes) -> None:
        if self.fails():
            raise self.fail
        self.memory[address : address + len(data)] = data


def over(device: MemoryDevice) -> NodeMapFeatures:
    return NodeMapFeatures(device)  # type: ignore[arg-type]  # memory is all that is asked of it


def test_names_are_those_of_all_categories_in_order() -> None:
    names = over(MemoryDevice()).names()
    expected = "Width PixelFormat Gain GainSelector ExposureTime Counter Secret Note Run Hang Flip Area"
    assert names == expected.split()


def test_descriptions_say_what_the_xml_says() -> None:
    features = over(MemoryDevice())
    width = features.describe("Width")
    assert (width.kind, width.category, width.unit) == (FeatureKind.INTEGER, "ImageFormatControl", "px")
    assert (width.minimum, width.maximum, width.increment) == (16, 1024, 16)
    assert width.description == "Width in px."
    assert width.locks_while_streaming
    gain = features.describe("Gain")
    assert (gain.visibility, gain.locks_while_streaming) == (Visibility.EXPERT, False)
    exposure = features.describe("ExposureTime")
    assert (exposure.kind, exposure.unit) == (FeatureKind.FLOAT, "us")
    assert features.describe("PixelFormat").entries == {"Mono8": 17301505, "RGB8": 35127316}
    assert features.describe("Counter").access is Access.READ_ONLY
    assert features.describe("Run").kind is FeatureKind.COMMAND
    assert features.describe("Area").category == "Inner"
    assert "Width" in features
    assert "Missing" not in features
    assert 7 not in features


def test_what_locks_with_the_stream_is_told_from_what_locks_otherwise() -> None:
    device = MemoryDevice()
    features = over(device)
    device.write(LOCK, 1)
    assert features.describe("Width").locks_while_streaming
    assert features.describe("Width").access is Access.READ_ONLY
    assert not features.describe("Flip").locks_while_streaming
    knife = (
        '<IntSwissKnife Name="Knife"><pVariable Name="L">TLParamsLocked</pVariable><Formula>L</Formula></IntSwissKnife>'
    )
    formula = XML.replace("<pIsLocked>TLParamsLocked", "<pIsLocked>Knife").replace("<Command", knife + "<Command", 1)
    assert over(MemoryDevice(formula)).describe("Width").locks_while_streaming


def test_settings_are_what_the_xml_marks_or_else_what_is_no_address() -> None:
    plain = over(MemoryDevice())
    assert plain.describe("Gain").selected_by == "GainSelector"
    assert plain.describe("Width").selected_by == ""
    assert plain.describe("Note").streamable
    unmarked = over(
        MemoryDevice(XML.replace('"Other"', '"TransportLayerControl"').replace(">Other<", ">TransportLayerControl<"))
    )
    assert not unmarked.describe("Note").streamable
    assert unmarked.describe("Width").streamable
    marked = over(MemoryDevice(XML.replace("<pValue>WidthReg", "<Streamable>Yes</Streamable><pValue>WidthReg")))
    assert marked.describe("Width").streamable
    assert not marked.describe("Note").streamable


def test_a_snapshot_moves_selectors_and_puts_them_back() -> None:
    device = MemoryDevice()
    features = over(device)
    features["Gain"] = 5
    features["GainSelector"] = "Blue"
    features["Gain"] = 9
    settings = snapshot(features)
    assert (settings["Gain[Red]"], settings["Gain[Blue]"]) == (5, 9)
    assert features["GainSelector"] == "Blue"
    assert "Width" in settings
    device.write(LOCK, 1)
    assert "Width" in snapshot(features)


def test_selectors_converters_and_formulas_are_evaluated() -> None:
    device = MemoryDevice()
    features = over(device)
    for colour, value in (("Red", 10), ("Blue", 20)):
        features["GainSelector"] = colour
        features["Gain"] = value
    assert (device.read(0x300), device.read(0x304)) == (10, 20)
    features["GainSelector"] = "Red"
    assert features["Gain"] == 10
    assert features["ExposureTime"] == 5.0
    features["ExposureTime"] = 12.5
    assert device.read(EXPOSURE) == 125
    assert features["Area"] == 640 * 640
    features["Flip"] = True
    assert features["Flip"] is True


def test_a_text_at_an_odd_address_leaves_its_neighbours_alone() -> None:
    device = MemoryDevice()
    device.memory[0x500:0x510] = b"#" * 16
    features = over(device)
    features["Note"] = "hello"
    assert features["Note"] == "hello"
    assert device.memory[0x500:0x501] == b"#"
    assert device.memory[0x50B:0x510] == b"#####"


def test_values_outside_say_the_range() -> None:
    device = MemoryDevice()
    features = over(device)
    with pytest.raises(FeatureValueError, match="Width cannot be 2000: possible is 16 to 1024 px in steps of 16"):
        features["Width"] = 2000
    with pytest.raises(FeatureValueError, match="in steps of 16"):
        features["Width"] = 17
    with pytest.raises(FeatureValueError, match="PixelFormat cannot be 'NV12': it takes one of Mono8, RGB8"):
        features["PixelFormat"] = "NV12"
    with pytest.raises(FeatureValueError, match="Width cannot be 'wide'"):
        features["Width"] = "wide"
    assert device.read(WIDTH) == 640


def test_what_is_hidden_locked_read_only_or_no_value_says_so() -> None:
    device = MemoryDevice()
    features = over(device)
    device.write(COLOUR, 0)
    assert features.describe("PixelFormat").entries == {"Mono8": 17301505}
    for act in (lambda: features["Secret"], lambda: features.__setitem__("Secret", 1)):
        with pytest.raises(FeatureAccessError, match=r"Secret cannot be (read|written) now: other features"):
            act()
    assert features.describe("Secret").minimum is None
    device.write(LOCK, 1)
    with pytest.raises(FeatureAccessError, match="Width is locked while frames stream: stop acquisition first"):
        features["Width"] = 320
    assert features.describe("Width").access is Access.READ_ONLY
    assert features["Width"] == 640
    device.write(FLIP_LOCK, 1)
    with pytest.raises(FeatureAccessError, match="Flip is locked now by FlipLockReg"):
        features["Flip"] = False
    with pytest.raises(FeatureAccessError, match="Counter is read-only"):
        features["Counter"] = 1
    with pytest.raises(FeatureAccessError, match="Run is a command"):
        features["Run"]
    with pytest.raises(FeatureAccessError, match="Run is a command: execute it"):
        features["Run"] = 1
    with pytest.raises(FeatureAccessError, match="Width is not a command"):
        features.execute("Width")


def test_a_value_that_the_xml_does_not_know() -> None:
    device = MemoryDevice()
    features = over(device)
    device.write(FORMAT, 999)
    with pytest.raises(FeatureValueError, match="PixelFormat: "):
        features["PixelFormat"]
    features["PixelFormat"] = "Mono8"
    assert features["PixelFormat"] == "Mono8"


def test_an_unknown_name_gets_the_names_that_are_like_it() -> None:
    features = over(MemoryDevice())
    with pytest.raises(FeatureNotFoundError, match="no feature 'Widht'; it has Width"):
        features["Widht"]
    with pytest.raises(FeatureNotFoundError, match="`heliograph features` lists"):
        features.execute("Zzzzzz")
    with pytest.raises(FeatureNotFoundError):
        features.describe("WidthReg")


def test_nothing_is_remembered_that_the_camera_may_have_changed() -> None:
    # Every register of this XML says that it may be cached.
    device = MemoryDevice()
    features = over(device)
    assert (features["Width"], features.describe("Width").maximum, features["Counter"]) == (640, 1024, 0)
    for address, value in ((WIDTH, 320), (WIDTH_MAX, 512), (COUNTER, 9)):
        device.write(address, value)
    assert (features["Width"], features.describe("Width").maximum, features["Counter"]) == (320, 512, 9)
    with pytest.raises(FeatureValueError, match="16 to 512"):
        features["Width"] = 1024


def test_a_command_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    device = MemoryDevice()
    features = over(device)
    features.execute("Run")
    assert (device.finishes, device.read(RUN)) == (3, 0)
    monkeypatch.setattr("heliograph.gige.client.nodemap._COMMAND_S", 0.05)
    with pytest.raises(RemoteStatusError, match=r"did not finish Hang within 0\.05 s") as caught:
        features.execute("Hang")
    assert caught.value.status == Status.BUSY


def test_without_control_everything_is_read_and_nothing_written() -> None:
    device = MemoryDevice(control=False)
    features = over(device)
    assert features["Width"] == 640
    with pytest.raises(FeatureAccessError, match="opened without control"):
        features["Width"] = 320
    with pytest.raises(FeatureAccessError, match="opened without control"):
        features.execute("Run")
    assert (device.read(WIDTH), device.read(RUN)) == (640, 0)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (Status.INVALID_PARAMETER, FeatureValueError),
        (Status.ACCESS_DENIED, FeatureAccessError),
        (Status.WRITE_PROTECT, FeatureAccessError),
        (Status.INVALID_ADDRESS, FeatureAccessError),
    ],
)
def test_a_refusal_of_the_camera_is_an_error_of_the_feature(status: Status, kind: type[HeliographError]) -> None:
    device = MemoryDevice()
    features = over(device)
    device.fail = RemoteStatusError("the camera refused: so there", status)
    device.fails = lambda: True
    with pytest.raises(kind, match="Counter: the camera refused: so there"):
        features["Counter"]


@pytest.mark.parametrize("status", [Status.INVALID_PARAMETER, Status.INVALID_ADDRESS])
def test_a_camera_that_refuses_to_tell_its_limits_is_told_by_the_name_of_the_feature(status: Status) -> None:
    device = MemoryDevice()
    features = over(device)
    device.fail = RemoteStatusError("the camera refused: so there", status)
    device.fails = lambda: True
    with pytest.raises(FeatureAccessError, match="Width: the camera refused: so there"):
        features.describe("Width")


@contextlib.contextmanager
def collected(errors: list[HeliographError]) -> Iterator[None]:
    try:
        yield
    except HeliographError as error:
        errors.append(error)


@pytest.mark.parametrize("lost", [False, True])
def test_whatever_fails_whenever_it_fails_only_our_errors_come_out(lost: bool) -> None:
    chance = random.Random(1)
    device = MemoryDevice()
    features = over(device)
    if lost:
        device.fail = CameraLostError("gone")
    device.fails = lambda: chance.random() < 0.3
    met: list[HeliographError] = []
    for name in features.names() * 60:
        with collected(met):
            features.describe(name)
        with collected(met):
            features[name]
        with collected(met):
            features[name] = chance.choice([1, "Mono8", "Red", True])
        with collected(met):
            features.execute(name if name != "Hang" else "Run")
    assert {CameraLostError if lost else FeatureAccessError} <= {type(error) for error in met}
    assert not [error for error in met if "\n" in str(error)]
    device.fails = lambda: False
    assert features["Width"] == device.read(WIDTH)


@pytest.mark.parametrize("xml", ["", "no XML", XML[:900], XML.replace("Integer Name", "Integr Name", 1), "<a/>"])
def test_an_xml_that_is_not_understood(xml: str) -> None:
    with pytest.raises(RemoteProtocolError):
        over(MemoryDevice(xml or " "))


def test_without_genapi_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genicam.genapi", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'heliograph\[client\]'"):
        over(MemoryDevice())


@pytest.fixture
def served(address: str) -> Iterator[tuple[PatternCamera, Any]]:
    """Give a camera and its features over the network."""
    camera = PatternCamera()
    with GigeDeviceServer(camera, address, "cam-1"), GigeDevice.open(address) as device:
        yield camera, NodeMapFeatures(device)


def test_every_feature_of_our_camera_comes_over_as_it_is(served: tuple[PatternCamera, Any]) -> None:
    camera, features = served
    for name in camera.features.names():
        ours, theirs = features.describe(name), camera.features.describe(name)
        assert (ours.kind, ours.category, ours.unit) == (theirs.kind, theirs.category, theirs.unit)
        assert (ours.description, dict(ours.entries)) == (theirs.description, dict(theirs.entries))
        if theirs.minimum is not None:
            assert (ours.minimum, ours.maximum) == (theirs.minimum, theirs.maximum)
        assert ours.locks_while_streaming == theirs.locks_while_streaming
        assert features[name] == camera.features[name]


def test_limits_move_with_other_features(served: tuple[PatternCamera, Any]) -> None:
    camera, features = served
    assert features.describe("ExposureTime").maximum == 1e5
    features["Width"] = 320
    assert features.describe("ExposureTime").maximum == 1e4
    camera.features["Width"] = 640
    assert features.describe("ExposureTime").maximum == 1e5


SHARED = """
import sys, threading
from heliograph.gige.client.device import GigeDevice
from heliograph.gige.client.nodemap import NodeMapFeatures
values = (100.0, 200.0, 300.0)
def work(value):
    for _ in range(40):
        features["ExposureTime"] = value
        features.describe("Width")
        done.append(features["ExposureTime"] in values)
done = []
with GigeDevice.open(sys.argv[1]) as device:
    features = NodeMapFeatures(device)
    threads = [threading.Thread(target=work, args=(value,)) for value in values]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(done.count(True))
"""


def test_threads_share_the_features_without_standing_still(address: str) -> None:
    # A process of its own: threads that wait for each other inside GenApi stop everything, a test's timeout too.
    with GigeDeviceServer(PatternCamera(), address):
        command = [sys.executable, "-c", SHARED, address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "120\n", done.stderr


def test_a_camera_that_goes_away_is_lost_and_no_riddle(address: str, impatient: None) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(GigeDeviceServer(PatternCamera(), address))
        device = stack.enter_context(GigeDevice.open(address))
        features = NodeMapFeatures(device)
        server.close()
        for act in (lambda: features["Width"], lambda: features.__setitem__("Width", 64)):
            with pytest.raises(CameraLostError, match=address):
                act()
        with pytest.raises(CameraLostError):
            features.execute("AcquisitionStart")
