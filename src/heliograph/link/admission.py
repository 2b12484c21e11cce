"""Whether a command may run: who signed it, for which run of which node, in which order, until when, and its words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from heliograph.core import CommandRefusedError
from heliograph.link.arguments import check, near
from heliograph.link.command import Command
from heliograph.link.counters import CounterWindow
from heliograph.link.dictionary import CommandDefinition
from heliograph.link.keys import PublicKey
from heliograph.link.signature import unseal
from heliograph.link.trust import Pin, Trust

OTHER_BOOT = "the node has restarted since: ask again"
"""The reason by which the ground knows that a command was for a former run, and was not accepted by this one."""

_LARGEST_BYTES = 128 * 1024
_LONGEST_USER = 200
_LATEST_NS = 3_600 * 10**9


@dataclass(frozen=True, slots=True)
class Admitted:
    """A command that may run."""

    command: Command
    definition: CommandDefinition
    arguments: dict[str, Any]
    """Checked, with defaults filled in."""
    pin: Pin
    """Who signed it."""


def admit(
    data: bytes,
    *,
    now_boot_ns: int,
    node: PublicKey,
    boot: str,
    trust: Trust,
    window_of: Callable[[str], CounterWindow],
    definition_of: Callable[[str], CommandDefinition | None],
    names: Iterable[str] = (),
) -> Admitted:
    """Check a signed command in every respect; time is CLOCK_BOOTTIME of the node, so no wall clock can be wrong.

    `window_of` gives the counters used by a key (64 hexadecimal digits), `definition_of` a command by its name or an
    alias, and `names` those that there are, to be offered for a misspelt one.

    Raises `CommandRefusedError` with the reason, `RemoteProtocolError` for bytes that are no command.
    """
    if len(data) > _LARGEST_BYTES:
        raise CommandRefusedError(f"a command of {len(data)} bytes is too large: {_LARGEST_BYTES} are the most")
    # Nothing in it is believed before this.
    signer, command = unseal(data, Command)
    pin = trust.pin_of(signer)
    if pin is None:
        raise CommandRefusedError(f"the key {signer.short} is not trusted by this node: pin it in node.toml")
    _check_address(command, node, boot)
    _check_time(command, now_boot_ns)
    if not window_of(signer.hex).admits(command.counter):
        raise CommandRefusedError(f"replayed: counter {command.counter} of the key {signer.short} was used before")
    definition = definition_of(command.name)
    if definition is None:
        raise CommandRefusedError(f"no command {command.name[:60]!r}{near(command.name, list(names))}")
    if pin.role.rank < definition.role.rank:
        raise CommandRefusedError(
            f"{definition.name} needs the role {definition.role.value}, and the key {signer.short} has {pin.role.value}"
        )
    return Admitted(command, definition, check(definition, command.arguments), pin)


def _check_address(command: Command, node: PublicKey, boot: str) -> None:
    if command.node != node.hex:
        raise CommandRefusedError(f"the command is for another node, {command.node[:16]!r}: this is {node.short}")
    if command.boot != boot:
        raise CommandRefusedError(OTHER_BOOT)
    if not re.fullmatch("[0-9a-f]{32}", command.id):
        raise CommandRefusedError("the command's id must be 32 hexadecimal digits")
    if len(command.user) > _LONGEST_USER:
        raise CommandRefusedError(f"the name of the command's user is longer than {_LONGEST_USER} characters")


def _check_time(command: Command, now_boot_ns: int) -> None:
    left_ns = command.expires_boot_ns - now_boot_ns
    if left_ns <= 0:
        raise CommandRefusedError(f"expired {-left_ns / 1e9:.1f} s ago: send it again, or with a longer --expires")
    if left_ns > _LATEST_NS:
        raise CommandRefusedError(f"expires in {left_ns / 1e9:.0f} s: {_LATEST_NS // 10**9} s are the most")
