"""Whom a node trusts: the keys that node.toml pins, and what signed commands changed since."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from heliograph.core import CommandRefusedError, OutputError, SettingError, SourceError
from heliograph.core.atomic import replace_file
from heliograph.link.dictionary import Role
from heliograph.link.keys import PublicKey

_MOST_CHANGES = 1_000


@dataclass(frozen=True, slots=True)
class Pin:
    """A key that is trusted, and with what."""

    key: PublicKey
    role: Role
    archive: bool = False
    """Whether its acknowledgements let the node forget telemetry."""
    label: str = ""


class _Rotated(msgspec.Struct, frozen=True, tag="rotated", tag_field="change"):
    old: str
    new: str


class _Revoked(msgspec.Struct, frozen=True, tag="revoked", tag_field="change"):
    key: str


class _Added(msgspec.Struct, frozen=True, tag="added", tag_field="change"):
    key: str
    role: Role
    label: str


_Change = _Rotated | _Revoked | _Added


class _Changes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int = 1
    changes: tuple[_Change, ...] = ()


class Trust:
    """The pins of node.toml with the changes that signed commands made, in their order, on top of them.

    A change outlives a restart and a later edit of node.toml: a key that was revoked or rotated away stays refused
    though node.toml names it still, and a rotated key has what node.toml gives the one it took the place of. A pin
    taken out of node.toml takes its successors with it.

    >>> from heliograph.link.keys import PrivateKey
    >>> old, new = PrivateKey.generate().public, PrivateKey.generate().public
    >>> trust = Trust([Pin(old, Role.ADMIN)], None)
    >>> trust.rotate(old, new)
    >>> trust.pin_of(old), trust.pin_of(new).role
    (None, <Role.ADMIN: 'admin'>)

    Raises `SettingError` for pins that contradict one another, `SourceError` for a file that cannot be read. Without a
    file, changes last as long as the program.
    """

    def __init__(self, pins: Iterable[Pin], file: Path | None) -> None:
        self._file = file
        self._changing = threading.Lock()
        self._first = _by_key(pins)
        self._changes = _read(file)
        # Replaced as a whole, so that it is read without a lock.
        self._pins = _applied(self._first, self._changes)

    @property
    def pins(self) -> tuple[Pin, ...]:
        """Everyone who is trusted."""
        return tuple(self._pins.values())

    @property
    def archive(self) -> Pin | None:
        """The one whose acknowledgements count, if there is one."""
        return next((each for each in self._pins.values() if each.archive), None)

    @property
    def archive_key(self) -> PublicKey | None:
        """The key of the archive, if there is one."""
        pin = self.archive
        return None if pin is None else pin.key

    def pin_of(self, key: PublicKey) -> Pin | None:
        """Give what a key may do; None when it is not trusted."""
        return self._pins.get(key)

    def rotate(self, old: PublicKey, new: PublicKey) -> None:
        """Put a key in the place of another, which is refused from now on.

        Raises `CommandRefusedError`, and `OutputError` when it cannot be kept.
        """
        with self._changing:
            if old not in self._pins:
                raise CommandRefusedError(f"the key {old.short} is not trusted: there is nothing to rotate")
            if new in self._pins:
                raise CommandRefusedError(f"the key {new.short} is trusted already: rotate to a new one")
            self._change(_Rotated(old.hex, new.hex))

    def revoke(self, key: PublicKey) -> None:
        """Refuse a key from now on; the last admin stays. Raises `CommandRefusedError`, `OutputError`."""
        with self._changing:
            pin = self._pins.get(key)
            if pin is None:
                raise CommandRefusedError(f"the key {key.short} is not trusted: there is nothing to revoke")
            admins = [each for each in self._pins.values() if each.role is Role.ADMIN]
            if admins == [pin]:
                raise CommandRefusedError(f"the key {key.short} is the last admin's: add another admin first")
            self._change(_Revoked(key.hex))

    def add(self, key: PublicKey, role: Role, label: str = "") -> None:
        """Trust a key; with the role `archive` it is the archive. Raises `CommandRefusedError`, `OutputError`."""
        with self._changing:
            if key.weak:
                raise CommandRefusedError(f"the key {key.short} proves nothing, as anybody can sign for it")
            if key in self._pins:
                raise CommandRefusedError(f"the key {key.short} is trusted already: revoke it first to change its role")
            if role is Role.ARCHIVE and self.archive is not None:
                raise CommandRefusedError(f"the key {self.archive.key.short} is the archive: revoke or rotate it first")
            self._change(_Added(key.hex, role, label))

    def _change(self, change: _Change) -> None:
        """Have it on the disk before it counts."""
        if len(self._changes) >= _MOST_CHANGES:
            raise CommandRefusedError(
                f"keys were changed {_MOST_CHANGES} times: put those of key.list into node.toml and remove {self._file}"
            )
        changes = (*self._changes, change)
        if self._file is not None:
            try:
                replace_file(self._file, msgspec.json.format(msgspec.json.encode(_Changes(changes=changes)), indent=1))
            except OSError as error:
                raise OutputError(
                    f"the change of keys cannot be kept ({error.strerror}), so it was not made"
                ) from error
        self._changes = changes
        self._pins = _applied(self._first, changes)


def _by_key(pins: Iterable[Pin]) -> dict[PublicKey, Pin]:
    found: dict[PublicKey, Pin] = {}
    for pin in pins:
        if pin.key.weak:
            raise SettingError(f"the key {pin.key.short} proves nothing, as anybody can sign for it: pin a real one")
        if pin.key in found:
            raise SettingError(f"the key {pin.key.short} is pinned twice: keep one of the two")
        found[pin.key] = pin
    if len(archives := [each.key.short for each in found.values() if each.archive]) > 1:
        raise SettingError(f"{' and '.join(archives)} are both pinned as the archive: keep one of them")
    return found


def _read(file: Path | None) -> tuple[_Change, ...]:
    if file is None or not file.exists():
        return ()
    try:
        kept = msgspec.json.decode(file.read_bytes(), type=_Changes)
        # Every key of it is looked at once, while the file can be named.
        _applied({}, kept.changes)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, SettingError) as error:
        raise SourceError(f"the changes of keys in {file} cannot be read ({error}): restore the file") from error
    if kept.version != 1:
        raise SourceError(f"{file} was written by a newer heliograph: bring this one up to date")
    return kept.changes


def _applied(first: dict[PublicKey, Pin], changes: Iterable[_Change]) -> dict[PublicKey, Pin]:
    pins = dict(first)
    for change in changes:
        match change:
            case _Rotated(old, new):
                pin = pins.pop(PublicKey.parse(old), None)
                # Where node.toml names the new key by now, it is what node.toml says.
                if pin is not None:
                    pins.setdefault(PublicKey.parse(new), replace(pin, key=PublicKey.parse(new)))
            case _Revoked(key):
                pins.pop(PublicKey.parse(key), None)
            case _Added(key, role, label):
                archive = role is Role.ARCHIVE and not any(each.archive for each in pins.values())
                pins.setdefault(PublicKey.parse(key), Pin(PublicKey.parse(key), role, archive, label))
    return pins
