"""Features of the transport, on a stream that only remembers what it was told."""

import time
from typing import Any

import pytest

from heliograph.core import FeatureAccessError, FeatureValueError, PixelFormat
from heliograph.core.settings import snapshot
from heliograph.gige.chunk import CHUNKS, tail_bytes
from heliograph.gige.device.sender import StreamConfig

Bench = Any  # conftest.py's, which test modules cannot import


@pytest.fixture
def aimed(bench: Bench) -> Bench:
    """Give a camera whose stream has somewhere to go."""
    bench.state.write_host_port(4000)
    bench.state.write_destination(0x0A000001)
    return bench


def started(bench: Bench) -> tuple[StreamConfig, int | None, Any]:
    """Start and stop acquisition; give what the stream was told: shape, count of frames, gate."""
    bench.stream.calls.clear()
    bench.transport.execute("AcquisitionStart")
    bench.transport.execute("AcquisitionStop")
    (config, count, gate), *calls = bench.stream.calls
    assert calls == ["start", "stop"]
    return config, count, gate


def test_start_passes_on_what_the_registers_say(bench: Bench) -> None:
    features, state = bench.transport, bench.state
    with pytest.raises(FeatureAccessError, match="write GevSCDA and GevSCPHostPort first"):
        features.execute("AcquisitionStart")
    state.write_host_port(4000)
    with pytest.raises(FeatureAccessError):
        features.execute("AcquisitionStart")
    state.write_destination(0x0A000001)
    state.write_packet_delay(250)
    state.write_gvsp_configuration(0x4000_0000)
    features.execute("AcquisitionStart")
    features.execute("AcquisitionStart")
    # 1 Gbit/s where no link tells.
    config = StreamConfig(("10.0.0.1", 4000), 640 * 480, 1500, 250, 125_000_000, extended_ids=True)
    assert bench.stream.calls == [(config, None, None), "start"]
    assert features["TLParamsLocked"] == 1
    features.execute("AcquisitionStop")
    assert features["TLParamsLocked"] == 0


def test_throughput_limit_holds_unless_it_is_off(aimed: Bench) -> None:
    features = aimed.transport
    features["DeviceLinkThroughputLimit"] = 40_000_000
    features.execute("AcquisitionStart")
    with pytest.raises(FeatureAccessError, match="stop acquisition first"):
        features["DeviceLinkThroughputLimitMode"] = "Off"
    features.execute("AcquisitionStop")
    assert aimed.stream.calls[0][0].throughput_limit_bytes_per_s == 40_000_000
    features["DeviceLinkThroughputLimitMode"] = "Off"
    assert started(aimed)[0].throughput_limit_bytes_per_s is None


@pytest.mark.parametrize(
    ("destination", "limit", "delay_ns", "catch_up_ns"),
    [
        (0x0A000001, 125_000_000, 0, 4_000_000),
        (0x0A000001, 40_000_000, 0, 500_000),
        (0x0A000001, 125_000_000, 250, 500_000),
        (0x7F000001, 125_000_000, 0, 500_000),
    ],
)
def test_a_late_sender_makes_up_for_more_where_the_interface_keeps_the_limit(
    bench: Bench, destination: int, limit: int, delay_ns: int, catch_up_ns: int
) -> None:
    bench.state.write_destination(destination)
    bench.state.write_host_port(4000)
    bench.state.write_packet_delay(delay_ns)
    bench.transport["DeviceLinkThroughputLimit"] = limit
    assert started(bench)[0].catch_up_ns == catch_up_ns


@pytest.mark.parametrize("name", ["Mono8", "RGB8", "YCbCr420_8_YY_CbCr_Semiplanar"])
def test_payload_size_follows_the_settings(aimed: Bench, name: str) -> None:
    aimed.camera.features["PixelFormat"] = name
    aimed.camera.features["Width"] = 320
    image_bytes = PixelFormat[name].payload_bytes(320, 480)
    assert aimed.transport["PayloadSize"] == image_bytes
    assert started(aimed)[0].payload_bytes == image_bytes
    aimed.transport["ChunkModeActive"] = True
    assert aimed.transport["PayloadSize"] == image_bytes + tail_bytes(image_bytes, CHUNKS)


def test_chunks_are_sent_as_chosen(aimed: Bench) -> None:
    features = aimed.transport
    assert started(aimed)[0].chunks is None, "off at power-up, as with every camera of this kind"
    features["ChunkModeActive"] = True
    config = started(aimed)[0]
    assert config.chunks == CHUNKS
    with_all = config.payload_bytes
    for name in ("Gain", "LineTime"):
        features["ChunkSelector"] = name
        features["ChunkEnable"] = False
    features["ChunkSelector"] = "Gain"
    features["ChunkEnable"] = True
    assert features["ChunkEnable"] is True
    config = started(aimed)[0]
    assert [chunk.name for chunk in CHUNKS if chunk not in (config.chunks or ())] == ["LineTime"]
    assert config.payload_bytes == with_all - 16
    features.execute("AcquisitionStart")
    for name, value in (("ChunkModeActive", False), ("ChunkEnable", False)):
        with pytest.raises(FeatureAccessError, match="stop acquisition first"):
            features[name] = value


@pytest.mark.parametrize(("mode", "count"), [("Continuous", None), ("SingleFrame", 1), ("MultiFrame", 7)])
def test_acquisition_mode_says_how_many_frames(aimed: Bench, mode: str, count: int | None) -> None:
    aimed.transport["AcquisitionFrameCount"] = 7
    aimed.transport["AcquisitionMode"] = mode
    assert started(aimed)[1] == count


def test_abort_cuts_the_frame_and_unlocks(aimed: Bench) -> None:
    aimed.transport.execute("AcquisitionStart")
    aimed.transport.execute("AcquisitionAbort")
    assert aimed.stream.calls[-1] == "abort"
    assert aimed.transport["TLParamsLocked"] == 0


def test_a_stream_that_ended_by_itself_unlocks_unless_it_was_started_again(aimed: Bench) -> None:
    aimed.transport.execute("AcquisitionStart")
    aimed.transport.follow_stream()
    assert aimed.state.streaming, "started again before anybody followed"
    aimed.stream.running = False
    aimed.transport.follow_stream()
    assert not aimed.state.streaming
    aimed.transport["AcquisitionMode"] = "SingleFrame"


def test_triggers_reach_the_stream_when_they_are_on(aimed: Bench) -> None:
    features = aimed.transport
    assert started(aimed)[2] is None
    with pytest.raises(FeatureAccessError, match="needs TriggerMode=On and TriggerSource=Software"):
        features.execute("TriggerSoftware")
    features["TriggerMode"] = "On"
    features["TriggerDelay"] = 2.5
    gate = started(aimed)[2]
    assert gate.trigger("Software", 1000)
    assert [gate.passes(start_ns) for start_ns in (3499, 3500, 3501)] == [False, True, False]
    before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    features.execute("TriggerSoftware")
    source, time_ns = aimed.stream.calls[-1]
    assert source == "Software"
    assert before_ns <= time_ns <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    aimed.stream.takes_triggers = False
    with pytest.raises(FeatureAccessError, match="trigger less often"):
        features.execute("TriggerSoftware")
    features["TriggerSource"] = "Action1"
    with pytest.raises(FeatureAccessError, match="TriggerSource=Software"):
        features.execute("TriggerSoftware")
    gate = started(aimed)[2]
    gate.trigger("Software", 0)
    assert not gate.passes(10_000)
    gate.trigger("Action1", 0)
    assert gate.passes(10_000)


def test_settings_are_what_shapes_and_times_frames(bench: Bench) -> None:
    settings = snapshot(bench.transport)
    assert {"AcquisitionMode", "TriggerMode[FrameStart]", "ChunkModeActive", "DeviceLinkThroughputLimit"} <= set(
        settings
    )
    assert settings["ChunkEnable[Gain]"] is True
    assert {"TLParamsLocked", "DeviceLinkHeartbeatTimeout", "PayloadSize"}.isdisjoint(settings)


def test_heartbeat_timeout_is_the_register_in_us(bench: Bench) -> None:
    bench.transport["DeviceLinkHeartbeatTimeout"] = 1_500_000
    assert bench.state.heartbeat_timeout_ms == 1500
    with pytest.raises(FeatureValueError, match=r"500000.0 to 600000000.0 us"):
        bench.transport["DeviceLinkHeartbeatTimeout"] = 1
