"""Features of the transport, on a stream that only remembers what it was told."""

from typing import Any

import pytest

from heliograph.core import FeatureAccessError, FeatureValueError, PixelFormat

Bench = Any  # conftest.py's, which test modules cannot import


def test_start_passes_on_what_the_registers_say(bench: Bench) -> None:
    features, state = bench.transport, bench.state
    with pytest.raises(FeatureAccessError, match="write GevSCDA and GevSCPHostPort first"):
        features.execute("AcquisitionStart")
    state.write_host_port(4000)
    with pytest.raises(FeatureAccessError):
        features.execute("AcquisitionStart")
    state.write_destination(0x0A000001)
    state.write_packet_delay(250)
    features.execute("AcquisitionStart")
    features.execute("AcquisitionStart")
    assert bench.stream.calls == [(("10.0.0.1", 4000), 1500, 250, 125_000_000), "start"], "1 Gbit/s where no link tells"
    assert features["TLParamsLocked"] == 1
    features.execute("AcquisitionStop")
    assert features["TLParamsLocked"] == 0


def test_throughput_limit_holds_unless_it_is_off(bench: Bench) -> None:
    features = bench.transport
    features["DeviceLinkThroughputLimit"] = 40_000_000
    bench.state.write_host_port(4000)
    bench.state.write_destination(0x0A000001)
    features.execute("AcquisitionStart")
    with pytest.raises(FeatureAccessError, match="stop acquisition first"):
        features["DeviceLinkThroughputLimitMode"] = "Off"
    features.execute("AcquisitionStop")
    features["DeviceLinkThroughputLimitMode"] = "Off"
    features.execute("AcquisitionStart")
    configurations = [call for call in bench.stream.calls if isinstance(call, tuple)]
    assert [limit for *_, limit in configurations] == [40_000_000, None]


@pytest.mark.parametrize("name", ["Mono8", "RGB8", "YCbCr420_8_YY_CbCr_Semiplanar"])
def test_payload_size_follows_the_settings(bench: Bench, name: str) -> None:
    bench.camera.features["PixelFormat"] = name
    bench.camera.features["Width"] = 320
    assert bench.transport["PayloadSize"] == PixelFormat[name].payload_bytes(320, 480)


def test_heartbeat_timeout_is_the_register_in_us(bench: Bench) -> None:
    bench.transport["DeviceLinkHeartbeatTimeout"] = 1_500_000
    assert bench.state.heartbeat_timeout_ms == 1500
    with pytest.raises(FeatureValueError, match=r"500000.0 to 600000000.0 us"):
        bench.transport["DeviceLinkHeartbeatTimeout"] = 1
