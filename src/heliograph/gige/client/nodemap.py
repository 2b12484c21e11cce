"""A camera's features through EMVA's own GenApi, which evaluates whatever XML the camera brings."""

from __future__ import annotations

import contextlib
import importlib
import io
import time
import zipfile
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any, TypeVar

from heliograph.core import (
    Access,
    Feature,
    FeatureAccessError,
    FeatureKind,
    FeatureNotFoundError,
    Features,
    FeatureValue,
    FeatureValueError,
    HeliographError,
    MissingDependencyError,
    RemoteProtocolError,
    RemoteStatusError,
    Visibility,
)
from heliograph.gige.bootstrap import STRING_BYTES, Register
from heliograph.gige.client.device import GigeDevice
from heliograph.gige.gvcp import Status

T = TypeVar("T")

_COMMAND_S = 5.0
# A hostile or broken camera could announce a length that fills memory; the largest XMLs known are below 10 MB.
_LARGEST_XML_BYTES = 32_000_000


def genapi() -> Any:
    """Import EMVA's GenApi; raises `MissingDependencyError` with the line that installs it."""
    try:
        return importlib.import_module("genicam.genapi")
    except ImportError as error:
        raise MissingDependencyError(
            "features of network cameras need EMVA's GenApi: pip install 'heliograph[client]'"
        ) from error


def download_xml(device: GigeDevice) -> str:
    """Read the XML that describes a camera from its memory, unzipped; raises `RemoteProtocolError`."""
    url = device.read_memory(Register.FIRST_URL, STRING_BYTES[Register.FIRST_URL])
    text = url.split(b"\0", 1)[0].decode("utf-8", "replace").strip()
    scheme, _, rest = text.partition(":")
    if scheme.lower() != "local":
        raise RemoteProtocolError(f"the camera keeps its XML at {text!r}, not in its own memory: that is not supported")
    try:
        name, address, size = (part.strip() for part in rest.split(";")[:3])
        # Some cameras add a schema version behind a question mark.
        length_bytes = int(size.split("?")[0], 16)
        if not 0 < length_bytes <= _LARGEST_XML_BYTES:
            raise ValueError
        data = device.read_memory(int(address, 16), length_bytes)
        return (_unzipped(data) if name.lower().endswith(".zip") else data).rstrip(b"\0").decode("utf-8", "replace")
    except (ValueError, zipfile.BadZipFile) as error:
        raise RemoteProtocolError(f"the camera's XML at {text!r} cannot be read: {error}") from error


def _unzipped(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        member = archive.infolist()[0]
        if member.file_size > _LARGEST_XML_BYTES:
            raise ValueError("it is too large")
        return archive.read(member)


class NodeMapFeatures(Features):
    """All features that a camera's XML lists, evaluated by GenApi over the camera's registers.

    >>> features = NodeMapFeatures(device)                                      # doctest: +SKIP
    >>> features.ExposureTime = 2000                                            # doctest: +SKIP

    Raises `MissingDependencyError` without GenApi, `RemoteProtocolError` for an XML that it does not understand.
    """

    def __init__(self, device: GigeDevice) -> None:
        self._genapi = genapi()
        self._device = device
        self._failure: list[HeliographError] = []
        self._map = self._genapi.NodeMap()
        try:
            self._map.load_xml_from_string(download_xml(device))
        except self._genapi.GenericException as error:
            raise RemoteProtocolError(f"the camera's XML is not understood: {_first_line(error)}") from error
        self._port = _port_class(self._genapi)(device, self._failure)
        self._map.connect(self._port, "Device")
        self._categories = dict(self._walk("Root"))

    def names(self) -> list[str]:
        """Names of the features of all categories that this camera implements."""
        return list(self._categories)

    def describe(self, name: str) -> Feature:
        """What the feature is and its limits now."""
        node = self._node(name)
        return self._guard(name, lambda: self._describe(name, node))

    def __getitem__(self, name: str) -> FeatureValue:
        node = self._node(name)
        if _KINDS[self._interface(node)] is FeatureKind.COMMAND:
            raise FeatureAccessError(f"{name} is a command: it can be executed, not read")
        if not self._guard(name, lambda: self._genapi.is_readable(node)):
            raise FeatureAccessError(f"{name} cannot be read now")
        value = self._guard(name, lambda: node.value)
        return value if isinstance(value, (bool, int, float)) else str(value)

    def __setitem__(self, name: str, value: object) -> None:
        feature = self.describe(name)
        if feature.access is Access.READ_ONLY:
            raise FeatureAccessError(f"{name} {self._why_not(feature)}")
        checked = feature.check(value)
        node = self._node(name)

        def write() -> None:
            node.value = checked

        self._guard(name, write)

    def execute(self, name: str) -> None:
        """Run a command and wait until the camera says that it is done, 5 s at most."""
        node = self._node(name)
        if _KINDS[self._interface(node)] is not FeatureKind.COMMAND:
            raise FeatureAccessError(f"{name} is not a command")
        if not self._guard(name, lambda: self._genapi.is_writable(node)):
            raise FeatureAccessError(f"{name} cannot be executed now")
        self._guard(name, node.execute)
        deadline_s = time.monotonic() + _COMMAND_S
        while not self._guard(name, node.is_done):
            if time.monotonic() > deadline_s:
                raise FeatureAccessError(f"{name} was not done within {_COMMAND_S:g} s")
            time.sleep(0.005)

    def _walk(self, category: str) -> Iterator[tuple[str, str]]:
        for child in self._map.get_node(category).features:
            kind = self._interface(child)
            if kind == "intfICategory":
                yield from self._walk(_inner(child).name)
            elif kind in _KINDS and self._genapi.is_implemented(child):
                yield _inner(child).name, category

    def _interface(self, node: Any) -> str:
        return str(self._genapi.EInterfaceType(_inner(node).principal_interface_type).name)

    def _node(self, name: str) -> Any:
        if name not in self._categories:
            raise FeatureNotFoundError(
                f"the camera has no feature {name!r}; `heliograph features` or `camera.features.names()` lists them"
            )
        return self._map.get_node(name)

    def _describe(self, name: str, node: Any) -> Feature:
        kind = _KINDS[self._interface(node)]
        inner = _inner(node)
        minimum = maximum = increment = None
        entries: dict[str, int] = {}
        available = bool(self._genapi.is_available(node))
        if kind in (FeatureKind.INTEGER, FeatureKind.FLOAT) and available:
            minimum, maximum = node.min, node.max
            has_step = kind is FeatureKind.INTEGER or node.has_inc()
            increment = node.inc if has_step else None
        elif kind is FeatureKind.ENUMERATION:
            for entry in node.entries:
                if self._genapi.is_available(entry):
                    entries[str(entry.symbolic)] = int(entry.numeric_value)
        return Feature(
            name,
            kind,
            category=self._categories[name],
            description=str(inner.description or inner.tooltip),
            unit=str(getattr(node, "unit", "")),
            access=self._access(node, kind),
            visibility=_VISIBILITIES.get(self._genapi.EVisibility(inner.visibility).name, Visibility.GURU),
            minimum=minimum,
            maximum=maximum,
            increment=increment,
            entries=MappingProxyType(entries),
            locks_while_streaming=bool(self._locking(name)),
        )

    def _access(self, node: Any, kind: FeatureKind) -> Access:
        if kind is FeatureKind.COMMAND:
            return Access.WRITE_ONLY
        if not self._genapi.is_writable(node):
            return Access.READ_ONLY
        return Access.READ_WRITE if self._genapi.is_readable(node) else Access.WRITE_ONLY

    def _why_not(self, feature: Feature) -> str:
        if feature.locks_while_streaming and self._guard(feature.name, lambda: self._locked(feature.name)):
            return "is locked while frames stream: stop acquisition first"
        return "is read-only"

    def _locked(self, name: str) -> bool:
        return any(self._map.get_node(node).value for node in self._locking(name) if self._map.has_node(node))

    def _locking(self, name: str) -> list[str]:
        """Names of the nodes that decide whether a feature is locked, as its XML says."""
        inner = _inner(self._map.get_node(name))
        return [word for word in inner.get_property("pIsLocked") if word] if "pIsLocked" in inner.property_names else []

    def _guard(self, name: str, access: Callable[[], T]) -> T:
        """Run something in GenApi; none of its exceptions, and none swallowed by it, gets past here."""
        self._failure.clear()
        try:
            result = access()
        except self._genapi.GenericException as error:
            if self._failure:
                raise self._explained(name) from error
            refused = isinstance(error, self._genapi.AccessException)
            kind = FeatureAccessError if refused else FeatureValueError
            raise kind(f"{name}: {_first_line(error)}") from error
        if self._failure:
            raise self._explained(name)
        return result

    def _explained(self, name: str) -> HeliographError:
        failure = self._failure[0]
        if not isinstance(failure, RemoteStatusError):
            return failure
        if failure.status in (Status.INVALID_PARAMETER, Status.INVALID_ADDRESS):
            with contextlib.suppress(self._genapi.GenericException):
                return FeatureValueError(
                    f"{name}: {failure}; possible is {self._describe(name, self._map.get_node(name)).range_text}"
                )
        return FeatureAccessError(f"{name}: {failure}")


_KINDS = {
    "intfIInteger": FeatureKind.INTEGER,
    "intfIFloat": FeatureKind.FLOAT,
    "intfIBoolean": FeatureKind.BOOLEAN,
    "intfIEnumeration": FeatureKind.ENUMERATION,
    "intfIString": FeatureKind.STRING,
    "intfICommand": FeatureKind.COMMAND,
}
_VISIBILITIES = {each.value: each for each in Visibility}


def _inner(node: Any) -> Any:
    """Give the node behind a typed face: GenApi's wrapper hands out either."""
    return getattr(node, "node", node)


def _first_line(error: Exception) -> str:
    # GenApi appends where in its own source it threw.
    return str(error).split(" (file ", maxsplit=1)[0].split(" : ")[-1].strip().splitlines()[0]


def _port_class(genapi: Any) -> Any:
    class Port(genapi.AbstractPort):  # type: ignore[misc]  # genicam has no types
        """GenApi's way to the camera. Exceptions do not cross its C++: they are kept aside."""

        def __init__(self, device: GigeDevice, failure: list[HeliographError]) -> None:
            super().__init__()
            self._device = device
            self._failure = failure

        def read(self, address: int, length: int) -> bytes:
            try:
                return self._device.read_memory(address, length)
            except HeliographError as error:
                self._failure.append(error)
                raise

        def write(self, address: int, data: bytes) -> None:
            try:
                self._device.write_memory(address, bytes(data))
            except HeliographError as error:
                self._failure.append(error)
                raise

        def get_access_mode(self) -> Any:
            return genapi.EAccessMode.RW

    return Port
