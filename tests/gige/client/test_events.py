"""Events: heard once, acknowledged always, told by name."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import heliograph
from heliograph.cameras.gige import GigeCamera
from heliograph.core import FeatureAccessError, FeatureValueError
from heliograph.gige.bootstrap import Register
from heliograph.gige.client.events import EventInbox
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.gige.gvcp import AckPacket, Command, CommandPacket, EventMessage, Flag
from heliograph.testing.camera import PatternCamera

WaitFor = Callable[[Callable[[], object]], None]


@given(st.binary(max_size=80))
def test_garbage_is_neither_an_event_nor_answered(data: bytes) -> None:
    ack, events = EventInbox().receive_datagram(data)
    assert bool(events) <= data.startswith(b"\x42")
    assert not ack or AckPacket.unpack(ack).command == Command.EVENT + 1


@given(
    st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.integers(0, 2**64 - 1)), min_size=1),
    st.booleans(),
    st.integers(1, 0xFFFF),
)
def test_every_event_of_a_message_is_told(told: list[tuple[int, int, int]], extended: bool, request_id: int) -> None:
    messages = [EventMessage(*each, extended) for each in told]
    payload = b"".join(CommandPacket.unpack(each.pack(1)).payload for each in messages)
    flags = Flag.ACK_REQUIRED | (Flag.EXTENDED if extended else Flag.NONE)
    data = CommandPacket(Command.EVENT, request_id, payload, flags).pack()
    inbox = EventInbox()
    ack, events = inbox.receive_datagram(data)
    assert events == messages
    assert AckPacket.unpack(ack) == AckPacket(0, Command.EVENT + 1, request_id)
    assert inbox.receive_datagram(data) == (ack, [])


def test_who_asks_for_no_answer_gets_none() -> None:
    ack, events = EventInbox().receive_datagram(EventMessage(1, 2, 3).pack(4, ack_required=False))
    assert (ack, len(events)) == (b"", 1)


def opened(address: str) -> GigeCamera:
    camera = heliograph.open(f"gige://{address}")
    assert isinstance(camera, GigeCamera)
    return camera


def test_events_of_our_camera_tell_the_frames(address: str, wait_for: WaitFor) -> None:
    heard: list[tuple[str, int, int]] = []
    with GigeDeviceServer(PatternCamera(), address), opened(address) as camera:
        subscription = camera.on_event(lambda *event: heard.append(event), "FrameStart")
        frames = {frame.id: frame.timestamp_ns for frame in camera.frames(10)}
        wait_for(lambda: len(heard) >= 10)
        assert {name for name, _, _ in heard} == {"FrameStart"}
        ids = [frame_id for _, frame_id, _ in heard]
        assert ids == sorted(set(ids))
        assert all(frames[frame_id] == time_ns for _, frame_id, time_ns in heard if frame_id in frames)
        subscription.close()
        assert camera.features["EventNotification"] == "On"
    assert camera._listener is not None
    assert not [thread for thread in threading.enumerate() if thread.name == f"heliograph-events-{address}"]


def test_a_callback_that_fails_ends_alone(address: str, wait_for: WaitFor) -> None:
    heard: list[str] = []

    def fail(name: str, frame_id: int, timestamp_ns: int) -> None:
        raise ValueError("no more")

    with GigeDeviceServer(PatternCamera(), address), opened(address) as camera:
        failing = camera.on_event(fail)
        camera.on_event(lambda name, *_: heard.append(name))
        camera.start()
        wait_for(lambda: len(heard) >= 10)
        assert failing.closed
        assert isinstance(failing.error, ValueError)


def test_a_callback_may_close_the_camera(address: str, wait_for: WaitFor) -> None:
    closed = threading.Event()
    with GigeDeviceServer(PatternCamera(), address):
        camera = opened(address)

        def end(*event: object) -> None:
            camera.close()
            closed.set()

        camera.on_event(end, "FrameStart")
        camera.start()
        assert closed.wait(10)
        opened(address).close()
        wait_for(lambda: f"heliograph-events-{address}" not in [thread.name for thread in threading.enumerate()])


def test_an_event_that_the_camera_does_not_have(address: str) -> None:
    with GigeDeviceServer(PatternCamera(), address), opened(address) as camera:
        with pytest.raises(FeatureValueError, match=r"no event 'Sunrise': it has .*FrameStart"):
            camera.on_event(print, "Sunrise")
        with heliograph.open(f"gige://{address}", control=False) as monitor:
            assert isinstance(monitor, GigeCamera)
            with pytest.raises(FeatureAccessError, match="opened without"):
                monitor.on_event(print)


def test_the_channel_is_closed_with_the_camera(address: str) -> None:
    with GigeDeviceServer(PatternCamera(), address):
        camera = opened(address)
        camera.on_event(print)
        assert camera._device.read_register(Register.MESSAGE_CHANNEL_PORT)
        camera.close()
        with heliograph.open(f"gige://{address}", control=False) as monitor:
            assert monitor.features["GevMCPHostPort"] == 0
            assert monitor.features["EventNotification"] == "Off"
