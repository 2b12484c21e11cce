"""The codec: bytes that must never change, and bytes that may be anything."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import MessageVersionError, RemoteProtocolError
from heliograph.link.command import Answer, Command, Journal, JournalEntry, JournalRequest, Stage, StageReport
from heliograph.link.dictionary import Argument, CommandDefinition, Dictionary, Hazard, Role
from heliograph.link.event import Events
from heliograph.link.message import Message, decode, encode
from heliograph.link.presence import Challenge, Hello
from heliograph.link.signature import Signed
from heliograph.link.telemetry import Acknowledge, Block, Latest

COMMAND = Command(
    id="00112233445566778899aabbccddeeff",
    node="ab" * 32,
    boot="0123456789abcdef",
    counter=1_795_000_000_000_000,
    expires_boot_ns=30_000_000_000,
    name="camera.set",
    arguments={"camera": "cam-1", "settings": {"Gain": "6"}},
    user="ada",
)
COMPLETED = StageReport(
    command=COMMAND.id,
    number=3,
    stage=Stage.COMPLETED,
    boot_time_ns=5,
    wall_time_ns=1_795_000_000_000_000_000,
    result={"uptime_s": 1.5, "ok": True},
)
MESSAGES: list[Message] = [
    COMMAND,
    COMPLETED,
    Answer(command=COMMAND.id, stages=(COMPLETED,)),
    JournalRequest(command=COMMAND.id),
    Journal(entries=(JournalEntry(command=COMMAND, key="cd" * 32, stages=(COMPLETED,)),)),
    Dictionary(
        commands=(
            CommandDefinition(name="node.ping", description="Answer.", aliases=("cmdDisp.CMD_NO_OP",)),
            CommandDefinition(
                name="node.restart",
                description="Restart.",
                role=Role.ADMIN,
                hazard=Hazard.CAUTION,
                arguments=(Argument(name="delay", type="number", unit="s", minimum=0, maximum=60, default=1.5),),
            ),
        )
    ),
]
KINDS: list[type[Message]] = [
    Acknowledge,
    Answer,
    Block,
    Challenge,
    Command,
    Dictionary,
    Events,
    Hello,
    Journal,
    JournalRequest,
    Latest,
    Signed,
    StageReport,
]


def vectors() -> Iterator[tuple[str, bytes]]:
    text = (Path(__file__).parent / "vectors" / "messages.txt").read_text(encoding="utf-8")
    name, lines = "", ""
    for line in [*text.splitlines(), "end"]:
        if line.startswith(" "):
            lines += line.strip()
            continue
        if name:
            yield name, bytes.fromhex(lines)
        name, lines = line, ""


VECTORS = dict(vectors())


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.KIND)
def test_the_bytes_of_a_message_stay_what_they_are(message: Message) -> None:
    assert encode(message) == VECTORS[message.KIND]
    assert decode(VECTORS[message.KIND], type(message)) == message


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
def test_every_kind_has_a_name_of_its_own(kind: type[Message]) -> None:
    assert [each.KIND for each in KINDS].count(kind.KIND) == 1


class Newer(Message, frozen=True, kw_only=True):
    KIND = "journal-request"
    VERSION: ClassVar[int] = 2
    command: str = ""


def test_a_newer_version_is_refused_and_says_what_to_do() -> None:
    with pytest.raises(MessageVersionError, match=r"'journal-request' came in version 2, this program knows 1: bring"):
        decode(encode(Newer()), JournalRequest)


@pytest.mark.parametrize("version", [0, -1])
def test_a_version_that_never_was_is_refused(version: int) -> None:
    with pytest.raises(RemoteProtocolError, match="never was"):
        decode(msgspec.msgpack.encode(["journal-request", version, {}]), JournalRequest)


def test_a_field_that_is_not_known_is_left_out() -> None:
    data = msgspec.msgpack.encode(["journal-request", 1, {"command": "x", "colour": "red"}])
    assert decode(data, JournalRequest) == JournalRequest(command="x")


def test_another_kind_is_refused_by_name() -> None:
    with pytest.raises(RemoteProtocolError, match="kind 'challenge' came where 'command' belongs"):
        decode(encode(Challenge(nonce=b"1")), Command)


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), plain, max_size=4), st.integers(-(2**63), 2**64 - 1), st.text())
def test_what_goes_in_comes_out(arguments: dict[str, Any], counter: int, user: str) -> None:
    sent = Command(
        id="1", node="2", boot="3", counter=counter, expires_boot_ns=4, name="5", arguments=arguments, user=user
    )
    assert decode(encode(sent), Command) == sent


def refuse_or_take(data: bytes, kind: type[Message]) -> None:
    with contextlib.suppress(RemoteProtocolError):
        assert isinstance(decode(data, kind), kind)


@given(st.binary(max_size=200), st.sampled_from(KINDS))
def test_garbage_is_refused_and_nothing_worse(data: bytes, kind: type[Message]) -> None:
    refuse_or_take(data, kind)


@given(st.sampled_from(sorted(VECTORS)), st.data())
def test_a_message_with_wrong_bytes_is_refused_or_is_another(name: str, data: st.DataObject) -> None:
    wrong = bytearray(VECTORS[name])
    kind = next(each for each in KINDS if name == each.KIND)
    for _ in range(data.draw(st.integers(1, 4))):
        wrong[data.draw(st.integers(0, len(wrong) - 1))] = data.draw(st.integers(0, 255))
    refuse_or_take(bytes(wrong[: data.draw(st.integers(0, len(wrong)))]), kind)
    refuse_or_take(bytes(wrong), kind)


@pytest.mark.parametrize(
    "value",
    [
        b"\xa1\xff",  # text that is no UTF-8
        b"\xdd\xff\xff\xff\xff",  # a list of 4 G members that do not follow
        b"\xc6\xff\xff\xff\xff",  # 4 GB that do not follow
        b"\x91" * 100_000,  # lists in lists
        b"\x81\xa1a" * 100_000,
        b"\x81\x81\x01\x01\x01",  # a map as the key of a map
        b"\xd7\xff" + b"\xff" * 8,  # a time beyond all times
        b"\xc1",
    ],
)
def test_values_that_break_decoders_are_refused(value: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(b"\x93\xa5stage\x01\x81\xa6result" + value, StageReport)
