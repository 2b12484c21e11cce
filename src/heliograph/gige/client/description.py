"""The XML by which a camera describes itself: where it is, and its text."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import Protocol

from heliograph.core import RemoteProtocolError
from heliograph.gige.bootstrap import STRING_BYTES, Register
from heliograph.gige.text import unpack_text

# A hostile or broken camera could announce a length that fills memory; the largest XMLs known are below 10 MB.
LARGEST_XML_BYTES = 32_000_000
_ZIP_MAGIC = b"PK\x03\x04"


class Memory(Protocol):
    """What bytes of a camera can be read from; `GigeDevice` is one."""

    def read_memory(self, address: int, count_bytes: int) -> bytes:
        """Read any number of bytes."""
        ...


@dataclass(frozen=True, slots=True)
class XmlLocation:
    """Where in its own memory a camera keeps its XML.

    >>> XmlLocation.parse("Local:camera.zip;C0000000;11CE8?SchemaVersion=1.1.0")
    XmlLocation(address=3221225472, length_bytes=72936)
    """

    address: int
    length_bytes: int

    @classmethod
    def parse(cls, url: str) -> XmlLocation:
        """Read `Local:name;address;length`, hexadecimal with or without 0x (Aravis' arvmisc.c).

        Raises `RemoteProtocolError`, also for an XML that is elsewhere.
        """
        scheme, _, rest = url.partition(":")
        if scheme.strip().lower() != "local":
            raise RemoteProtocolError(
                f"the camera keeps its description at {url!r}: only one in the camera's own memory (Local:) can be read"
            )
        try:
            # Some cameras put the version of the schema behind a question mark.
            _, address, length = rest.partition("?")[0].split(";")
            location = cls(int(address, 16), int(length, 16))
        except ValueError:
            raise RemoteProtocolError(f"the camera's description at {url!r} has no address and length") from None
        if not 0 < location.length_bytes <= LARGEST_XML_BYTES or not 0 <= location.address <= 0xFFFF_FFFF:
            raise RemoteProtocolError(f"the camera's description at {url!r} cannot have this address and length")
        return location


def download_xml(device: Memory) -> str:
    """Read the XML from a camera's memory, unzipped; raises `RemoteProtocolError`.

    The second URL is used where the first leads nowhere.
    """
    try:
        location = XmlLocation.parse(_url(device, Register.FIRST_URL))
    except RemoteProtocolError as error:
        try:
            location = XmlLocation.parse(_url(device, Register.SECOND_URL))
        except RemoteProtocolError:
            raise error from None
    return xml_text(device.read_memory(location.address, location.length_bytes))


def xml_text(data: bytes) -> str:
    """Give the text of an XML file, zipped or not; raises `RemoteProtocolError`."""
    # By its first bytes, not by its name: there are zip files called .xml.
    if data.startswith(_ZIP_MAGIC):
        data = _unzipped(data)
    return data.rstrip(b"\0").decode("utf-8-sig", "replace")


def _url(device: Memory, register: Register) -> str:
    return unpack_text(device.read_memory(register, STRING_BYTES[register]), "replace").strip()


def _unzipped(data: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            member = archive.infolist()[0]
            if member.file_size > LARGEST_XML_BYTES:
                raise RemoteProtocolError(f"the camera's description has {member.file_size} bytes, which cannot be")
            return archive.read(member)
    except RemoteProtocolError:
        raise
    except Exception as error:  # what zipfile raises for damage, encryption and unknown methods is no one family
        raise RemoteProtocolError(f"the camera's zipped description is damaged: {error}") from error
