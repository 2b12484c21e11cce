from __future__ import annotations

import contextlib
import dataclasses
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core import Clock, ColorMatrix, ColorRange, PixelFormat, PixelFormatError
from heliograph.core.errors import RemoteProtocolError, SettingError
from heliograph.local.message import (
    MAX_MESSAGE_BYTES,
    MAX_METADATA_BYTES,
    FrameInfo,
    FrameMessage,
    GoodbyeMessage,
    HelloMessage,
    pack_release,
    set_dropped,
    unpack,
    unpack_release,
)

unhurried = settings(deadline=None)  # a busy machine is no failure
U32 = st.integers(0, 2**32 - 1)
EVEN_PX = st.integers(1, 5_000).map(lambda half: 2 * half)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
INFOS = st.builds(
    FrameInfo,
    pixel_format=st.sampled_from(PixelFormat),
    width=EVEN_PX,
    height=EVEN_PX,
    id=st.integers(0, 2**64 - 1),
    timestamp_ns=st.integers(-(2**63), 2**63 - 1),
    clock=st.sampled_from(Clock),
    exposure_us=st.none() | st.floats(allow_nan=False),
    gain_db=st.none() | st.floats(allow_nan=False),
    missing_packets=U32,
    color_matrix=st.sampled_from(ColorMatrix),
    color_range=st.sampled_from(ColorRange),
    metadata=st.dictionaries(st.text(max_size=10), VALUES, max_size=4),
)
INFO = FrameInfo(PixelFormat.BayerRG12, 640, 480, id=7, timestamp_ns=-5, exposure_us=2_000, metadata={"a": [1]})
WRITER_MESSAGES = [
    HelloMessage(depth=8, slot_count=36, slot_bytes=4_623_840).pack(),
    bytes(FrameMessage(3, INFO, dropped=2).pack()),
    GoodbyeMessage("the cable was pulled").pack(),
]


@unhurried
@given(slot=U32, info=INFOS, dropped=st.integers(0, 2**64 - 1))
def test_every_frame_message_comes_back_as_it_was(slot: int, info: FrameInfo, dropped: int) -> None:
    message = FrameMessage(slot, info, dropped)
    assert unpack(bytes(message.pack())) == message


@unhurried
@given(info=INFOS, dropped=st.integers(0, 2**64 - 1))
def test_set_dropped_changes_that_count_and_nothing_else(info: FrameInfo, dropped: int) -> None:
    packed = FrameMessage(1, info).pack()
    set_dropped(packed, dropped)
    assert unpack(bytes(packed)) == FrameMessage(1, info, dropped)


@unhurried
@given(st.integers(1, 2**16 - 1), st.integers(1, 2**32 - 1), st.integers(1, 2**64 - 1))
def test_every_hello_comes_back_as_it_was(depth: int, slot_count: int, slot_bytes: int) -> None:
    hello = HelloMessage(depth, slot_count, slot_bytes)
    assert unpack(hello.pack()) == hello


@unhurried
@given(st.text(max_size=200), st.booleans())
def test_every_goodbye_comes_back_as_it_was(reason: str, busy: bool) -> None:
    readable = reason.encode(errors="replace").decode()
    assert unpack(GoodbyeMessage(reason, busy).pack()) == GoodbyeMessage(readable, busy)


def test_a_long_goodbye_loses_its_end() -> None:
    goodbye = unpack(GoodbyeMessage("é" * 10_000).pack())
    assert isinstance(goodbye, GoodbyeMessage)
    assert goodbye.reason.startswith("ééé")
    assert len(goodbye.reason) <= 501


@unhurried
@given(U32)
def test_every_release_comes_back_as_it_was(slot: int) -> None:
    assert unpack_release(pack_release(slot)) == slot


@unhurried
@given(st.binary(max_size=200))
def test_any_bytes_from_a_writer_are_a_message_or_the_one_error(message: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        unpack(message)


@unhurried
@given(st.sampled_from(WRITER_MESSAGES), st.data())
def test_any_damage_to_a_message_is_a_message_or_the_one_error(message: bytes, data: st.DataObject) -> None:
    damaged = bytearray(message)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RemoteProtocolError):
        unpack(bytes(damaged))


@unhurried
@given(st.binary(max_size=20))
def test_any_bytes_from_a_reader_are_a_release_or_the_one_error(message: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        assert pack_release(unpack_release(message))[4:] == message[4:]


@pytest.mark.parametrize("message", [WRITER_MESSAGES[0], bytes(FrameMessage(3, INFO).pack())])
def test_every_truncation_of_a_writers_message_is_the_one_error(message: bytes) -> None:
    metadata_bytes = len('{"a":[1]}') if message[0] == 2 else 0
    for length in range(len(message)):
        if length == len(message) - metadata_bytes and metadata_bytes:
            continue  # a whole message without metadata
        with pytest.raises(RemoteProtocolError):
            unpack(message[:length])


def test_every_truncation_of_a_release_is_the_one_error() -> None:
    message = pack_release(5)
    for wrong in [message[:length] for length in range(len(message))] + [message + b"\0"]:
        with pytest.raises(RemoteProtocolError, match="no release"):
            unpack_release(wrong)


def test_another_version_is_refused_with_what_to_do() -> None:
    message = bytearray(WRITER_MESSAGES[0])
    message[1] = 99
    with pytest.raises(RemoteProtocolError, match=r"version 99.*install the same Heliograph"):
        unpack(bytes(message))


@pytest.mark.parametrize("text", [b"[" * MAX_METADATA_BYTES, b"[1]", b"\xff", b"{", b"3"])
def test_metadata_that_are_no_names_and_values_are_the_one_error(text: bytes) -> None:
    header = bytes(FrameMessage(0, dataclasses.replace(INFO, metadata={})).pack())
    with pytest.raises(RemoteProtocolError):
        unpack(header + text)


def test_a_size_that_its_format_cannot_have_is_the_one_error() -> None:
    message = FrameMessage(0, FrameInfo(PixelFormat.parse("NV12"), 4, 4, 1, 0)).pack()
    for width, height in [(0, 4), (4, 0), (4, 1), (4, 3)]:
        struct.pack_into("<II", message, 12, width, height)
        with pytest.raises(RemoteProtocolError):
            unpack(bytes(message))


def test_payload_bytes_of_an_impossible_size_is_an_error() -> None:
    with pytest.raises(PixelFormatError, match="YY_CbCr_Semiplanar picture"):
        _ = FrameInfo(PixelFormat.parse("NV12"), 4, 3, 1, 0).payload_bytes


def test_metadata_fit_to_the_last_byte_and_not_beyond() -> None:
    room_bytes = MAX_METADATA_BYTES - len('{"a":""}')
    whole = FrameMessage(0, dataclasses.replace(INFO, metadata={"a": "x" * room_bytes}))
    assert len(whole.pack()) == MAX_MESSAGE_BYTES
    assert unpack(bytes(whole.pack())) == whole
    with pytest.raises(SettingError, match=r"frame 7 takes 16385 bytes, at most 16384 fit"):
        FrameMessage(0, dataclasses.replace(INFO, metadata={"a": "x" * (room_bytes + 1)})).pack()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metadata": {"a": object()}}, "JSON"),
        ({"id": -1}, "cannot be published"),
        ({"timestamp_ns": 2**63}, "cannot be published"),
        ({"missing_packets": 2**32}, "cannot be published"),
    ],
)
def test_what_cannot_be_sent_is_a_setting_error(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        FrameMessage(0, dataclasses.replace(INFO, **change)).pack()
