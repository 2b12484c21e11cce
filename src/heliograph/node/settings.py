"""node.toml: what a node is, whom it trusts, and what it has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec
from msgspec.structs import replace

from heliograph.core import SettingError, SourceNotFoundError
from heliograph.link.dictionary import Role
from heliograph.link.keys import PublicKey
from heliograph.link.settings import LinkSettings, TlsSettings
from heliograph.link.trust import Pin
from heliograph.node.complaint import complaint

# Names are parts of topics, streams and file names.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of node.toml; a key that it does not know is an error."""


class TrustSettings(Table, frozen=True, kw_only=True):
    """A key that the node trusts: `[[trust]]`."""

    key: str
    """A line as `heliograph key show` prints it."""
    role: Role = Role.OPERATOR
    """`archive`: acknowledges telemetry; `operator`: commands, too; `admin`: changes keys and restarts, too."""
    archive: bool = False
    """Whether its acknowledgements let the node forget telemetry; one key at most. The role `archive` implies it."""
    label: str = ""

    @property
    def acknowledges(self) -> bool:
        """Whether it is the archive."""
        return self.archive or self.role is Role.ARCHIVE


class CameraSettings(Table, frozen=True, kw_only=True):
    """A camera: `[[camera]]`."""

    name: str
    url: str
    """`sim://red-giant`, `picamera2://0`, `v4l2:///dev/video0`, …."""
    address: str = ""
    """Own address to serve it at with GigE Vision; empty for the first free one of loopback."""
    serve: bool = True
    """False keeps it for commands and payloads."""
    features: dict[str, str | int | float | bool] = {}
    """Set when the node starts, by SFNC name: `{ ExposureTime = 2000, PixelFormat = "BGR8" }`."""


class VehicleSettings(Table, frozen=True, kw_only=True):
    """A vehicle: `[[vehicle]]`."""

    name: str
    kind: Literal["sim", "mavlink", "latch"]
    """`sim` flies a circuit, `latch` only remembers whether it is armed."""
    connection: str = ""
    """Of `mavlink`: `udp:127.0.0.1:14550`, `tcp:127.0.0.1:5760` or `serial:/dev/ttyAMA0:57600`."""


class FileSettings(Table, frozen=True, kw_only=True):
    """Files that travel: `[files]`."""

    root: str = ""
    """Folder that uplinks end in and downlinks come from; empty for `files` in the node's state folder."""
    listen: str = "127.0.0.1:7448"
    """Address and UDP port of the transfers. They are not encrypted: seal what is secret, or use a VPN."""
    address: str = ""
    """HOST:PORT by which the ground reaches that, where it is another: behind a router, or for `0.0.0.0`."""
    rate_bps: float | None = None
    """Bits per second at most, of all transfers together; without it they find the rate themselves."""


class TelemetrySettings(Table, frozen=True, kw_only=True):
    """The spool of telemetry and events: `[telemetry]`."""

    max_bytes: int = 1_000_000_000
    """Disk for what is not acknowledged; the oldest samples make room, counted."""
    events_kept: int = 100_000
    """Events archived on board."""
    health_interval_s: float = 1.0
    """Seconds between samples of the machine's health; 0 for never."""


class NodeSettings(Table, frozen=True, kw_only=True):
    """All of node.toml.

    >>> parse('name = "bench"', Path("node.toml")).link.listen
    ('tcp/127.0.0.1:7447',)
    """

    name: str
    key: str = "node.key"
    """File of the node's private key, beside node.toml unless it is an absolute path."""
    allow: tuple[str, ...] = ()
    """Networks whose clients the cameras answer; private ones when empty."""
    link: LinkSettings = LinkSettings()
    trust: tuple[TrustSettings, ...] = ()
    camera: tuple[CameraSettings, ...] = ()
    vehicle: tuple[VehicleSettings, ...] = ()
    files: FileSettings = FileSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    def __post_init__(self) -> None:
        check_name("the node", self.name)
        for kind, names in (
            ("camera", [each.name for each in self.camera]),
            ("vehicle", [each.name for each in self.vehicle]),
        ):
            for name in names:
                check_name(f"a {kind}", name)
            if twice := {name for name in names if names.count(name) > 1}:
                raise SettingError(f"two of [[{kind}]] are called {sorted(twice)[0]!r}: rename one")
        for vehicle in self.vehicle:
            if vehicle.kind == "mavlink" and not vehicle.connection:
                raise SettingError(f'vehicle {vehicle.name!r} needs a `connection`, such as "udp:127.0.0.1:14550"')
            if vehicle.kind != "mavlink" and vehicle.connection:
                raise SettingError(f'vehicle {vehicle.name!r}: `connection` belongs to kind = "mavlink" alone')
        _check_numbers(self.telemetry, self.files)
        host, _ = address_of(self.files.listen)
        if self.files.address:
            address_of(self.files.address)
        elif host in ("0.0.0.0", "::"):
            raise SettingError("files.listen is every address: name the one that the ground uses as files.address")
        if sum(each.acknowledges for each in self.trust) > 1:
            raise SettingError(
                'two keys of [[trust]] are the archive: one at most has `archive = true` or `role = "archive"`'
            )

    @property
    def pins(self) -> list[Pin]:
        """The keys that are trusted. Raises `SettingError` for what is no key."""
        return [Pin(PublicKey.parse(each.key), each.role, each.acknowledges, each.label) for each in self.trust]


def read(file: Path) -> NodeSettings:
    """Give the settings of a file. Raises `SourceNotFoundError` and `SettingError`."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"there is no {file}: heliograph node init writes one") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"cannot read {file}: {error}") from error
    return _beside(parse(text, file), file.parent)


def parse(text: str, file: Path) -> NodeSettings:
    """Give the settings that a text stands for; `file` is named in errors. Raises `SettingError`."""
    try:
        settings = msgspec.toml.decode(text, type=NodeSettings)
        _ = settings.pins  # a key that is none is told now, and with the file's name
    except (msgspec.ValidationError, SettingError) as error:
        raise SettingError(f"{file}: {complaint(str(error), _TABLES)}") from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise SettingError(f"{file}: this is no valid TOML: {error}") from error
    return settings


def address_of(text: str) -> tuple[str, int]:
    """Give host and port of `HOST:PORT`. Raises `SettingError`.

    >>> address_of("127.0.0.1:7448")
    ('127.0.0.1', 7448)
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise SettingError(f"{text!r} is no address: write HOST:PORT, such as 127.0.0.1:7448")
    return host, int(port)


def _beside(settings: NodeSettings, folder: Path) -> NodeSettings:
    """Take the paths of certificates from where node.toml lies, whatever folder the program runs in."""
    tls = settings.link.tls
    if tls is None:
        return settings
    found = {name: str(folder / path) if (path := getattr(tls, name)) else "" for name in ("ca", "certificate", "key")}
    return replace(settings, link=replace(settings.link, tls=replace(tls, **found)))


def check_name(what: str, name: str) -> None:
    """Raise `SettingError` for what cannot be a name."""
    if not _NAME.fullmatch(name):
        raise SettingError(
            f"{what} cannot be called {name!r}: letters, digits, - and _, 63 at most, a letter or digit first"
        )


def _check_numbers(telemetry: TelemetrySettings, files: FileSettings) -> None:
    if not 10_000_000 <= telemetry.max_bytes <= 1 << 60:
        raise SettingError("telemetry.max_bytes is at least 10 000 000, or an outage of minutes would not fit")
    if not 1 <= telemetry.events_kept <= 10_000_000:
        raise SettingError("telemetry.events_kept is 1 to 10 000 000")
    interval_s = telemetry.health_interval_s
    if interval_s != 0 and not 0.1 <= interval_s <= 3600:
        raise SettingError("telemetry.health_interval_s is 0.1 to 3600, or 0 for never")
    if files.rate_bps is not None and not 1_000 <= files.rate_bps <= 1e12:
        raise SettingError("files.rate_bps is at least 1000; leave it out for no limit")


_TABLES: dict[str, type] = {
    "": NodeSettings,
    "link": LinkSettings,
    "link.tls": TlsSettings,
    "trust": TrustSettings,
    "camera": CameraSettings,
    "vehicle": VehicleSettings,
    "files": FileSettings,
    "telemetry": TelemetrySettings,
}
