"""Every reason for which a command is refused, and that none of them hides another."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import CommandRefusedError, MessageVersionError, RemoteProtocolError
from heliograph.link.admission import OTHER_BOOT, Admitted, admit
from heliograph.link.command import Command
from heliograph.link.counters import CounterWindow
from heliograph.link.dictionary import Argument, CommandDefinition, Role
from heliograph.link.keys import PrivateKey
from heliograph.link.message import decode, encode
from heliograph.link.signature import Signed, sign
from heliograph.link.trust import Pin, Trust

ADMIN, OPERATOR, STATION, STRANGER = (PrivateKey.generate() for _ in range(4))
NODE, OTHER_NODE = PrivateKey.generate().public, PrivateKey.generate().public
NOW_NS = 1_000 * 10**9
PINS = (
    Pin(ADMIN.public, Role.ADMIN),
    Pin(OPERATOR.public, Role.OPERATOR),
    Pin(STATION.public, Role.ARCHIVE, archive=True),
)
COMMANDS = {
    each.name: each
    for each in (
        CommandDefinition(name="node.ping", description="", aliases=("cmdDisp.CMD_NO_OP",)),
        CommandDefinition(name="node.restart", description="", role=Role.ADMIN),
        CommandDefinition(
            name="camera.wait",
            description="",
            arguments=(Argument(name="time", type="number", unit="s", minimum=0, maximum=10, default=1.0),),
        ),
    )
}


def definition_of(name: str) -> CommandDefinition | None:
    return next((each for each in COMMANDS.values() if name == each.name or name in each.aliases), None)


def command(**changes: Any) -> Command:
    fields: dict[str, Any] = {
        "id": "0" * 32,
        "node": NODE.hex,
        "boot": "0123456789abcdef",
        "counter": 11,
        "expires_boot_ns": NOW_NS + 30 * 10**9,
        "name": "node.ping",
    }
    return Command(**{**fields, **changes})


def admitted(
    data: bytes, *, now_boot_ns: int = NOW_NS, trust: Trust | None = None, window: CounterWindow | None = None
) -> Admitted:
    windows = {key.public.hex: window or CounterWindow(10) for key in (ADMIN, OPERATOR, STATION)}
    return admit(
        data,
        now_boot_ns=now_boot_ns,
        node=NODE,
        boot="0123456789abcdef",
        trust=trust or Trust(PINS, None),
        window_of=windows.__getitem__,
        definition_of=definition_of,
        names=COMMANDS,
    )


def test_a_command_in_order_is_admitted() -> None:
    sent = command(name="camera.wait", arguments={"time": 2})
    assert admitted(sign(sent, OPERATOR)) == Admitted(sent, COMMANDS["camera.wait"], {"time": 2.0}, PINS[1])


def test_defaults_are_filled_in_and_an_alias_is_the_command() -> None:
    assert admitted(sign(command(name="camera.wait"), OPERATOR)).arguments == {"time": 1.0}
    assert admitted(sign(command(name="cmdDisp.CMD_NO_OP"), OPERATOR)).definition is COMMANDS["node.ping"]


# Each is wrong in one respect only, and signed by a trusted operator.
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another node": ({"node": OTHER_NODE.hex}, "for another node"),
    "a node's short id": ({"node": NODE.short}, "for another node"),
    "another boot": ({"boot": "fedcba9876543210"}, f"^{OTHER_BOOT}$"),
    "replayed": ({"counter": 10}, "replayed: counter 10"),
    "counter 0": ({"counter": 0}, "replayed"),
    "counter too large to keep": ({"counter": 2**63}, "replayed"),
    "expired": ({"expires_boot_ns": NOW_NS}, "expired 0.0 s ago"),
    "expired long ago": ({"expires_boot_ns": -(2**63)}, "expired"),
    "never expires": ({"expires_boot_ns": 2**64 - 1}, "3600 s are the most"),
    "expires after more than an hour": ({"expires_boot_ns": NOW_NS + 3_601 * 10**9}, "3600 s are the most"),
    "role too low": ({"name": "node.restart"}, "needs the role admin, and the key .* has operator"),
    "unknown command": ({"name": "node.pong"}, r"no command 'node.pong' \(did you mean node.ping"),
    "bad argument": (
        {"name": "camera.wait", "arguments": {"time": 11.0}},
        "must be 0 to 10 s, not 11.0; usage: camera.wait",
    ),
    "no argument of it": ({"arguments": {"x": 1}}, "no argument 'x'"),
    "bad id": ({"id": "../../etc/passwd"}, "32 hexadecimal digits"),
    "long user": ({"user": "u" * 201}, "longer than 200"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused_with_its_reason(name: str) -> None:
    changes, reason = WRONG[name]
    with pytest.raises(CommandRefusedError, match=reason) as refused:
        admitted(sign(command(**changes), OPERATOR))
    assert "\n" not in str(refused.value)


@given(st.sets(st.sampled_from(sorted(WRONG)), min_size=1), st.sampled_from([OPERATOR, STATION, STRANGER]))
def test_whatever_else_is_wrong_it_is_refused(names: set[str], key: PrivateKey) -> None:
    changes: dict[str, Any] = {}
    for name in names:
        changes |= WRONG[name][0]
    # Two that are wrong about the name may make up a right one with the arguments: none here does.
    with pytest.raises(CommandRefusedError):
        admitted(sign(command(**changes), key))


def test_an_unsigned_command_is_refused() -> None:
    with pytest.raises(CommandRefusedError, match="unsigned"):
        admitted(encode(command()))


def test_a_key_that_is_not_pinned_is_refused() -> None:
    with pytest.raises(CommandRefusedError, match=f"the key {STRANGER.public.short} is not trusted"):
        admitted(sign(command(), STRANGER))


def test_a_stranger_cannot_sign_in_the_name_of_another() -> None:
    signed = decode(sign(command(), STRANGER), Signed)
    with pytest.raises(CommandRefusedError, match="does not fit"):
        admitted(encode(msgspec.structs.replace(signed, key=ADMIN.public.raw)))


def test_nothing_is_believed_before_the_signature_was_checked() -> None:
    signed = decode(sign(command(), OPERATOR), Signed)
    changed = encode(msgspec.structs.replace(signed, body=encode(command(name="node.restart"))))
    asked = mock.Mock()
    with pytest.raises(CommandRefusedError, match="does not fit"):
        admit(
            changed,
            now_boot_ns=NOW_NS,
            node=NODE,
            boot="0123456789abcdef",
            trust=asked.trust,
            window_of=asked.window_of,
            definition_of=asked.definition_of,
        )
    assert asked.mock_calls == []


def test_the_same_command_is_admitted_once() -> None:
    data = sign(command(), OPERATOR)
    used = CounterWindow(10).with_counter(admitted(data).command.counter)
    with pytest.raises(CommandRefusedError, match="replayed: counter 11"):
        admitted(data, window=used)


def test_the_archive_commands_nothing() -> None:
    with pytest.raises(CommandRefusedError, match=r"needs the role operator, and the key .* has archive"):
        admitted(sign(command(), STATION))


@pytest.mark.parametrize("hours", [-1_000, -5, 5, 1_000])
def test_wall_clocks_that_are_hours_off_change_nothing(hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: Callable[[], float] = lambda: 1.79e9 + hours * 3600  # noqa: E731, three clocks of one kind
    monkeypatch.setattr("time.time", wrong)
    monkeypatch.setattr("time.time_ns", lambda: int(wrong() * 1e9))
    monkeypatch.setattr("time.monotonic", wrong)
    data = sign(command(), OPERATOR)
    assert admitted(data, now_boot_ns=NOW_NS + 30 * 10**9 - 1).command == command()
    with pytest.raises(CommandRefusedError, match="expired"):
        admitted(data, now_boot_ns=NOW_NS + 30 * 10**9)


def test_after_a_rotation_the_old_key_commands_nothing() -> None:
    trust = Trust(PINS, None)
    trust.rotate(OPERATOR.public, STRANGER.public)
    with pytest.raises(CommandRefusedError, match="not trusted"):
        admitted(sign(command(), OPERATOR), trust=trust)
    windows = {STRANGER.public.hex: CounterWindow()}
    taken = admit(
        sign(command(), STRANGER),
        now_boot_ns=NOW_NS,
        node=NODE,
        boot="0123456789abcdef",
        trust=trust,
        window_of=windows.__getitem__,
        definition_of=definition_of,
    )
    assert taken.pin == replace(PINS[1], key=STRANGER.public)


def test_a_newer_command_is_refused_as_that() -> None:
    class Newer(Command, frozen=True, kw_only=True):
        VERSION = 2

    newer = Newer(**{name: getattr(command(), name) for name in Command.__struct_fields__})
    with pytest.raises(MessageVersionError, match="version 2, this program knows 1"):
        admitted(sign(newer, OPERATOR))


def test_a_command_that_is_too_large_is_not_even_looked_at() -> None:
    with pytest.raises(CommandRefusedError, match="too large"):
        admitted(sign(command(arguments={"text": "x" * 200_000}), OPERATOR))


@given(st.binary(max_size=400))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        admitted(data)


@given(st.data())
def test_a_signed_command_with_wrong_bytes_is_refused(data: st.DataObject) -> None:
    wrong = bytearray(sign(command(), OPERATOR))
    place = data.draw(st.integers(0, 8 * len(wrong) - 1))
    wrong[place // 8] ^= 1 << place % 8
    with pytest.raises((CommandRefusedError, RemoteProtocolError)):
        admitted(bytes(wrong))
