"""Where a camera keeps its XML, and getting it."""

import contextlib
import io
import zipfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from heliograph.core import RemoteProtocolError
from heliograph.gige.bootstrap import Register
from heliograph.gige.client.description import LARGEST_XML_BYTES, XmlLocation, download_xml, xml_text

XML = '<?xml version="1.0"?>\n<RegisterDescription ModelName="Prüfling"/>\n'
TOO_FAR = [f"a.xml;10000;{LARGEST_XML_BYTES + 1:x}", "a.xml;100000000;10"]


def zipped(text: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("camera.xml", text.encode())
    return buffer.getvalue()


class Memory:
    """A camera's memory."""

    def __init__(self, first: str, second: str = "", data: bytes = b"") -> None:
        self._memory = bytearray(0x20000)
        for address, content in (
            (Register.FIRST_URL, first.encode()),
            (Register.SECOND_URL, second.encode()),
            (0x10000, data),
        ):
            self._memory[address : address + len(content)] = content

    def read_memory(self, address: int, count_bytes: int) -> bytes:
        return bytes(self._memory[address : address + count_bytes])


@pytest.mark.parametrize(
    ("url", "address", "length"),
    [
        # Aravis' fake camera; HIKROBOT, Aravis issue 1079; FLIR, issue 700; OPT, issue 973
        ("Local:arv-fake-camera.xml;10000;3e67", 0x10000, 0x3E67),
        ("Local:Hikrobot_GigE_Vision_1_V4_0_36.zip;100000;19596", 0x100000, 0x19596),
        ("Local:BFS-PGE-200S6M_01819DDA.zip;60000000;11E0F", 0x6000_0000, 0x11E0F),
        ("Local:OPT_MCC050_GG0.zip;f0000000;11ea4", 0xF000_0000, 0x11EA4),
        ("LOCAL: camera.zip ; 0xC0000000 ; 0x11CE8?SchemaVersion=1.1.0", 0xC000_0000, 0x11CE8),
    ],
)
def test_urls_of_real_cameras(url: str, address: int, length: int) -> None:
    assert XmlLocation.parse(url) == XmlLocation(address, length)


@pytest.mark.parametrize("url", ["http://10.0.0.1/camera.xml", "File:C:\\camera.zip", "file:///camera.xml", "", "x"])
def test_an_xml_that_is_elsewhere_is_refused_with_its_place(url: str) -> None:
    with pytest.raises(RemoteProtocolError, match="only one in the camera's own memory") as caught:
        XmlLocation.parse(url)
    assert repr(url) in str(caught.value)


@pytest.mark.parametrize(
    "rest",
    [
        "a.xml",
        "a.xml;10000",
        "a.xml;10000;",
        "a.xml;;10",
        "a.xml;zz;10",
        "a.xml;1;0",
        "a.xml;1;-1",
        "a;1;2;3",
        *TOO_FAR,
    ],
)
def test_an_impossible_place_is_refused(rest: str) -> None:
    with pytest.raises(RemoteProtocolError, match="address and length"):
        XmlLocation.parse(f"Local:{rest}")


@given(
    st.text() | st.text().map("Local:".__add__) | st.text("0123456789abcfx;? -", max_size=30).map("Local:a;".__add__)
)
@example("Local:a;0x;0x")
@example("Local:a;1_0;٣")
def test_any_url_gives_a_place_or_the_one_error(url: str) -> None:
    with contextlib.suppress(RemoteProtocolError):
        place = XmlLocation.parse(url)
        assert 0 <= place.address <= 0xFFFF_FFFF
        assert 0 < place.length_bytes <= LARGEST_XML_BYTES


def test_text_comes_plain_or_zipped_whatever_its_name_says() -> None:
    for data in (XML.encode(), zipped(XML), zipped(XML, zipfile.ZIP_STORED), XML.encode("utf-8-sig") + bytes(3)):
        memory = Memory(f"Local:camera.xml;10000;{len(data):X}", data=data)
        assert download_xml(memory) == XML


def test_the_second_url_is_used_where_the_first_leads_nowhere() -> None:
    data = zipped(XML)
    assert download_xml(Memory("http://x/y.xml", f"Local:c.zip;10000;{len(data):X}", data)) == XML
    with pytest.raises(RemoteProtocolError, match="http://x"):
        download_xml(Memory("http://x/y.xml", "File:z.xml"))


@pytest.mark.parametrize("length", range(4, len(zipped(XML)), 7))
def test_a_zip_cut_short_is_damaged(length: int) -> None:
    with pytest.raises(RemoteProtocolError, match="zipped description"):
        xml_text(zipped(XML)[:length])


@given(st.data())
def test_a_zip_with_wrong_bytes_gives_a_text_or_the_one_error(data: st.DataObject) -> None:
    packed = bytearray(zipped(XML, data.draw(st.sampled_from([zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA]))))
    for at in data.draw(st.lists(st.integers(4, len(packed) - 1), min_size=1, max_size=4)):
        packed[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RemoteProtocolError):
        assert isinstance(xml_text(bytes(packed)), str)


def test_an_empty_zip_and_a_bomb_are_refused() -> None:
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    with pytest.raises(RemoteProtocolError):
        xml_text(b"PK\x03\x04" + empty.getvalue())
    with pytest.raises(RemoteProtocolError, match="32000001 bytes"):
        xml_text(zipped(" " * (LARGEST_XML_BYTES + 1)))
