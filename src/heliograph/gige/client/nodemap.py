"""A camera's features through EMVA's own GenApi, which evaluates whatever XML the camera brings."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import threading
import time
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

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
from heliograph.gige.bootstrap import LOCK_FEATURE
from heliograph.gige.client.description import download_xml
from heliograph.gige.client.device import GigeDevice
from heliograph.gige.client.port import RegisterPort
from heliograph.gige.gvcp import Status

_COMMAND_S = 5.0


def genapi() -> Any:
    """Import EMVA's GenApi; raises `MissingDependencyError` with the line that installs it."""
    try:
        return importlib.import_module("genicam.genapi")
    except ImportError as error:
        raise MissingDependencyError(
            "features of network cameras need EMVA's GenApi: pip install 'heliograph[client]'"
        ) from error


class NodeMapFeatures(Features):
    """All features that a camera's XML lists, evaluated by GenApi over the camera's registers.

    >>> features = NodeMapFeatures(device)                                      # doctest: +SKIP
    >>> features.ExposureTime = 2000                                            # doctest: +SKIP

    Several threads may use it. Nothing is remembered from one call to the next: the camera, or another client of it,
    may have changed anything meanwhile.

    Raises `MissingDependencyError` without GenApi, `RemoteProtocolError` for an XML that it does not understand.
    """

    def __init__(self, device: GigeDevice) -> None:
        self._genapi = genapi()
        self._device = device
        # GenApi keeps the interpreter lock while it waits for its own: without this one, two threads would each hold
        # what the other wants, for ever.
        self._lock = threading.RLock()
        self._map = self._genapi.NodeMap()
        try:
            self._xml = download_xml(device)
            self._map.load_xml_from_string(self._xml)
            self._port = _port_class(self._genapi)(RegisterPort(device))
            self._map.connect(self._port, "Device")
            self._categories = dict(self._walk("Root"))
            self._marked = any(map(self._is_streamable, self._categories))
        except self._genapi.GenericException as error:
            raise RemoteProtocolError(f"the camera's description is not understood: {_reason(error)}") from error

    @property
    def xml(self) -> str:
        """The camera's description, as it brings it."""
        return self._xml

    def names(self) -> list[str]:
        """Names of the features of all categories that this camera implements."""
        return list(self._categories)

    def __contains__(self, name: object) -> bool:
        return name in self._categories

    def describe(self, name: str) -> Feature:
        """What the feature is and its limits now."""
        with self._asked(name) as node:
            return self._describe(name, node)

    def __getitem__(self, name: str) -> FeatureValue:
        with self._asked(name) as node:
            if self._kind(node) is FeatureKind.COMMAND:
                raise FeatureAccessError(f"{name} is a command: it can be executed, not read")
            if not self._genapi.is_readable(node):
                raise FeatureAccessError(f"{name} {self._why_not(node, 'read')}")
            value = node.value
        return value if isinstance(value, (bool, int, float)) else str(value)

    def __setitem__(self, name: str, value: object) -> None:
        with self._asked(name) as node:
            feature = self._describe(name, node)
            if feature.kind is not FeatureKind.COMMAND and feature.access is Access.READ_ONLY:
                raise FeatureAccessError(f"{name} {self._why_not(node, 'written')}")
            checked = feature.check(value)
            self._need_control(name)
            node.value = checked
        if "heartbeat" in name.lower():
            self._device.hasten_heartbeat()

    def execute(self, name: str) -> None:
        """Run a command and wait until the camera says that it is done, 5 s at most."""
        with self._asked(name) as node:
            if self._kind(node) is not FeatureKind.COMMAND:
                raise FeatureAccessError(f"{name} is not a command")
            if not self._genapi.is_writable(node):
                raise FeatureAccessError(f"{name} {self._why_not(node, 'executed')}")
            self._need_control(name)
            node.execute()
        deadline_s = time.monotonic() + _COMMAND_S
        while not self._is_done(name):
            if time.monotonic() > deadline_s:
                raise RemoteStatusError(f"the camera did not finish {name} within {_COMMAND_S:g} s", Status.BUSY)
            time.sleep(0.005)

    def event_names(self) -> dict[int, str]:
        """Give the camera's events by their ids: the entry of EventSelector that the event's port is named after."""
        entries = self.describe("EventSelector").entries if "EventSelector" in self else {}
        with self._lock:
            nodes = [_inner(node) for node in self._map.nodes]
            ports = {int(node.event_id, 16): str(node.name) for node in nodes if node.event_id}
        named = {}
        for event_id, port in ports.items():
            fitting = [entry for entry in entries if entry in port]
            named[event_id] = max(fitting, key=len, default=f"0x{event_id:04X}")
        return named

    def _is_done(self, name: str) -> bool:
        with self._asked(name) as node:
            return bool(node.is_done())

    def _walk(self, category: str) -> Iterator[tuple[str, str]]:
        for child in self._map.get_node(category).features:
            if isinstance(child, self._genapi.ICategory):
                yield from self._walk(_inner(child).name)
            elif self._interface(child) in _KINDS and self._is_implemented(child):
                yield _inner(child).name, category

    def _is_implemented(self, node: Any) -> bool:
        try:
            return bool(self._genapi.is_implemented(node))
        except (self._genapi.GenericException, RemoteStatusError):
            return False  # one register that a camera does not serve must not take all features away

    def _interface(self, node: Any) -> str:
        return str(self._genapi.EInterfaceType(_inner(node).principal_interface_type).name)

    def _kind(self, node: Any) -> FeatureKind:
        return _KINDS[self._interface(node)]

    def _describe(self, name: str, node: Any) -> Feature:
        kind, inner = self._kind(node), _inner(node)
        minimum = maximum = increment = None
        entries: dict[str, int] = {}
        available = bool(self._genapi.is_available(node))
        if kind in (FeatureKind.INTEGER, FeatureKind.FLOAT) and available:
            minimum, maximum = node.min, node.max
            has_step = kind is FeatureKind.INTEGER or node.has_inc()
            increment = node.inc if has_step else None
        elif kind is FeatureKind.ENUMERATION:
            available_entries = filter(self._genapi.is_available, node.entries)
            entries = {str(entry.symbolic): int(entry.value) for entry in available_entries}
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
            locks_while_streaming=self._locks_with_stream(node),
            selected_by=self._selector(node),
            streamable=self._is_streamable(name) if self._marked else self._categories[name] not in _NO_SETTINGS,
        )

    def _selector(self, node: Any) -> str:
        """Name of the enumeration that selects a feature; one selected by two, as few are, is told by the first."""
        names = [_inner(each).name for each in _inner(node).selecting_features]
        listed = [name for name in names if name in self._categories]
        return listed[0] if listed else ""

    def _is_streamable(self, name: str) -> bool:
        return bool(_inner(self._map.get_node(name)).is_streamable())

    def _access(self, node: Any, kind: FeatureKind) -> Access:
        if kind is FeatureKind.COMMAND:
            return Access.WRITE_ONLY
        if not self._genapi.is_writable(node):
            return Access.READ_ONLY
        return Access.READ_WRITE if self._genapi.is_readable(node) else Access.WRITE_ONLY

    def _why_not(self, node: Any, what: str) -> str:
        if not self._genapi.is_available(node):
            return f"cannot be {what} now: other features are set so that it is not available"
        locking = [name for name in self._locking(node) if self._map.get_node(name).value]
        if LOCK_FEATURE in locking:
            return "is locked while frames stream: stop acquisition first"
        if locking:
            return f"is locked now by {', '.join(locking)}"
        return "is read-only" if what == "written" else f"cannot be {what}"

    def _locks_with_stream(self, node: Any) -> bool:
        """Tell whether a feature is locked by TLParamsLocked, or by a formula that it is part of."""
        locking = self._locking(node)
        formulas = [_inner(self._map.get_node(name)) for name in locking]
        return LOCK_FEATURE in {*locking, *(str(_inner(part).name) for each in formulas for part in each.children)}

    def _locking(self, node: Any) -> list[str]:
        """Names of the nodes that decide whether a feature is locked, as its XML says."""
        inner = _inner(node)
        return [word for word in inner.get_property("pIsLocked") if word] if "pIsLocked" in inner.property_names else []

    def _need_control(self, name: str) -> None:
        if not self._device.control:
            raise FeatureAccessError(f"{name} cannot be changed: the camera was opened without control, only to read")

    @contextlib.contextmanager
    def _asked(self, name: str) -> Iterator[Any]:
        """Give a node to work with; none of GenApi's exceptions gets past here."""
        if name not in self._categories:
            raise FeatureNotFoundError(f"the camera has no feature {name!r}{self._similar(name)}")
        with self._lock:
            # The method of GenApi's INodeMap; only the Python wrapper spells it with an underscore.
            self._map._invalidate_nodes()  # noqa: SLF001
            try:
                yield self._map.get_node(name)
            except (self._genapi.GenericException, RemoteStatusError) as error:
                raise self._explained(name, error) from error

    def _explained(self, name: str, error: Exception) -> HeliographError:
        # What the port raises comes through GenApi as it is.
        if isinstance(error, RemoteStatusError):
            if error.status == Status.INVALID_PARAMETER:
                # A camera that refuses to tell its limits too leaves nothing to add.
                with contextlib.suppress(self._genapi.GenericException, RemoteStatusError):
                    possible = self._describe(name, self._map.get_node(name)).range_text
                    told = f"{name}: {error}; possible is {possible}, not all of it with every setting"
                    return FeatureValueError(told)
            return FeatureAccessError(f"{name}: {error}")
        kind = FeatureAccessError if isinstance(error, self._genapi.AccessException) else FeatureValueError
        return kind(f"{name}: {_reason(error)}")

    def _similar(self, name: str) -> str:
        similar = difflib.get_close_matches(name, self._categories)
        return f"; it has {', '.join(similar)}" if similar else "; `heliograph features` lists what it has"


_KINDS = {
    "intfIInteger": FeatureKind.INTEGER,
    "intfIFloat": FeatureKind.FLOAT,
    "intfIBoolean": FeatureKind.BOOLEAN,
    "intfIEnumeration": FeatureKind.ENUMERATION,
    "intfIString": FeatureKind.STRING,
    "intfICommand": FeatureKind.COMMAND,
}
# Where an XML marks no feature as streamable, its settings are those outside of these categories of the SFNC.
_NO_SETTINGS = ("DeviceControl", "TransportLayerControl", "UserSetControl", "EventControl")
_VISIBILITIES = {each.value: each for each in Visibility}


def _inner(node: Any) -> Any:
    """Give the node behind a typed face: GenApi's wrapper hands out either."""
    return getattr(node, "node", node)


def _reason(error: Exception) -> str:
    # GenApi appends where in its own source it threw.
    text = str(error).split(" (file ", maxsplit=1)[0].partition(" : ")
    return " ".join((text[0] or text[2]).split()) or type(error).__name__


def _port_class(genapi: Any) -> Any:
    class Port(genapi.AbstractPort):  # type: ignore[misc]  # genicam has no types
        """GenApi's way to the camera."""

        def __init__(self, port: RegisterPort) -> None:
            super().__init__()
            self._port = port

        def read(self, address: int, length: int) -> bytes:
            return self._port.read(address, length)

        def write(self, address: int, data: bytes) -> None:
            self._port.write(address, bytes(data))

        def get_access_mode(self) -> Any:
            return genapi.EAccessMode.RW

    return Port
