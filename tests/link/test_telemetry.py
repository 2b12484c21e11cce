"""Blocks and acknowledgements on the wire."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heliograph.link.channel import Channel, Stream
from heliograph.link.event import ArchivedEvent, Event, Events, EventsRequest, Severity
from heliograph.link.message import decode, encode
from heliograph.link.telemetry import DROPS, DROPS_STREAM, Acknowledge, Block, Latest, Newest, Range

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(0, 2**62)
STREAM = Stream(name="health", channels=(Channel(name="cpu"),))


@given(TEXTS, NUMBERS, st.binary(max_size=64), st.integers(-(2**62), 2**62), st.booleans(), st.booleans())
def test_a_block_comes_back_as_it_was(
    text: str, number: int, data: bytes, offset_ns: int, live: bool, declared: bool
) -> None:
    block = Block(
        node=text,
        boot=text,
        stream=text,
        schema=text,
        first=number,
        count=number,
        times=data,
        rows=data,
        wall_minus_boot_ns=offset_ns,
        clock_synchronised=live,
        live=live,
        declaration=STREAM if declared else None,
    )
    assert decode(encode(block), Block) == block


@given(st.lists(st.builds(Range, TEXTS, TEXTS, NUMBERS, NUMBERS)), st.lists(st.tuples(TEXTS, TEXTS)))
def test_an_acknowledgement_comes_back_as_it_was(stored: list[Range], unknown: list[tuple[str, str]]) -> None:
    message = Acknowledge(node="9f86d081884c7d65", stored=tuple(stored), unknown=tuple(unknown))
    assert decode(encode(message), Acknowledge) == message


def test_the_newest_values_come_back_as_they_were() -> None:
    newest = Newest(stream=STREAM, sequence=3, boot_time_ns=4, row=STREAM.pack([(1.5,)]).tobytes())
    message = Latest(boot="b", boot_time_ns=5, wall_minus_boot_ns=6, newest=(newest,))
    assert decode(encode(message), Latest) == message


def test_drops_name_a_range_of_any_stream() -> None:
    assert DROPS.name == DROPS_STREAM
    dropped = ("00112233aabbccdd", "s" * 64, 2**62, 2**62)
    assert DROPS.unpack(DROPS.pack([dropped]).tobytes()) == [dropped]


@given(
    st.sampled_from(Severity),
    TEXTS,
    st.dictionaries(TEXTS, st.one_of(NUMBERS, TEXTS, st.booleans(), st.lists(st.floats(allow_nan=False)))),
)
def test_events_come_back_as_they_were(severity: Severity, text: str, arguments: dict[str, object]) -> None:
    event = Event(boot_time_ns=1, severity=severity, name=text, message=text, arguments=arguments)
    message = Events(events=(ArchivedEvent(boot="b", sequence=1, wall_time_ns=2, event=event),))
    assert decode(encode(message), Events) == message
    request = EventsRequest(limit=3, severity=severity, text=text)
    assert decode(encode(request), EventsRequest) == request


def test_a_block_says_in_bytes_what_it_always_said() -> None:
    """Golden: nodes and archives of different releases talk to each other."""
    block = Block(
        node="9f86d081884c7d65",
        boot="00112233aabbccdd",
        stream="health",
        schema="0123456789abcdef",
        first=7,
        count=1,
        times=b"\1\0\0\0\0\0\0\0",
        rows=b"\0\0\0\0\0\0\xf8\x3f",
        wall_minus_boot_ns=5,
        live=False,
    )
    assert encode(block).hex() == (
        "93a5626c6f636b018aa46e6f6465b039663836643038313838346337643635a4626f6f74b03030313132323333616162"
        "6263636464a673747265616da66865616c7468a6736368656d61b030313233343536373839616263646566a566697273"
        "7407a5636f756e7401a574696d6573c4080100000000000000a4726f7773c408000000000000f83fb277616c6c5f6d69"
        "6e75735f626f6f745f6e7305a46c697665c2"
    )
    done = Acknowledge(node="9f86d081884c7d65", stored=(Range("00112233aabbccdd", "health", 7, 1),))
    assert encode(done).hex() == (
        "93ab61636b6e6f776c656467650182a46e6f6465b039663836643038313838346337643635a673746f7265649194b030"
        "303131323233336161626263636464a66865616c74680701"
    )
