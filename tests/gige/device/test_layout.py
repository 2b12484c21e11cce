"""Feature values as bytes of registers."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import Access, Feature, FeatureKind, FeatureValueError, LocalFeatures, RemoteStatusError
from heliograph.gige.device.layout import FEATURES_ADDRESS, feature_cells, lay_out
from heliograph.gige.device.registers import RegisterMap
from heliograph.gige.gvcp import Status
from heliograph.testing.camera import PatternCamera

INT32 = st.integers(-(1 << 31), (1 << 31) - 1)
INT64 = st.integers(-(1 << 63), (1 << 63) - 1)


def integer(low: int | None, high: int | None, step: int | None = 1) -> Feature:
    return Feature("N", FeatureKind.INTEGER, minimum=low, maximum=high, increment=step)


@pytest.mark.parametrize(
    ("feature", "length", "signed"),
    [
        (integer(0, 4096), 4, True),
        (integer(-(1 << 31), (1 << 31) - 1), 4, True),
        (integer(0, 1 << 31), 8, True),
        (integer(None, None), 8, True),
        (Feature("F", FeatureKind.FLOAT), 8, False),
        (Feature("B", FeatureKind.BOOLEAN), 4, False),
        (Feature("C", FeatureKind.COMMAND), 4, False),
        (Feature("S", FeatureKind.STRING), 128, False),
        (Feature("E", FeatureKind.ENUMERATION, entries={"Custom": 0x81080001}), 4, False),
        (Feature("E", FeatureKind.ENUMERATION, entries={"Below": -1}), 8, True),
    ],
)
def test_size_of_the_register_of_each_kind(feature: Feature, length: int, signed: bool) -> None:
    (register,) = lay_out([feature])
    assert (register.address, register.length_bytes, register.signed) == (FEATURES_ADDRESS, length, signed)


@given(INT32, INT64, st.floats(allow_nan=False))
def test_numbers_read_back(small: int, large: int, real: float) -> None:
    narrow, wide, floating = lay_out([integer(0, 9), integer(None, None), Feature("F", FeatureKind.FLOAT)])
    assert narrow.unpack(narrow.pack(small)) == small
    assert wide.unpack(wide.pack(large)) == large
    assert floating.unpack(floating.pack(real)) == real
    assert floating.pack(real) == struct.pack(">d", real)


def test_enumeration_is_its_code() -> None:
    (register,) = lay_out([Feature("P", FeatureKind.ENUMERATION, entries={"Mono8": 0x01080001, "RGB8": 0x02180014})])
    assert register.pack("RGB8") == bytes.fromhex("02180014")
    assert register.unpack(bytes.fromhex("01080001")) == "Mono8"
    with pytest.raises(FeatureValueError, match="one of Mono8, RGB8"):
        register.unpack(bytes(4))


@given(st.sampled_from([math.inf, -math.inf, 1e300]) | st.floats(allow_nan=False) | INT64)
def test_limits_fit_their_register(limit: float) -> None:
    narrow, floating = lay_out([integer(0, 9), Feature("F", FeatureKind.FLOAT, minimum=0.0)])
    held = narrow.unpack(narrow.pack_limit(limit))
    assert held == int(max(-(1 << 31), min((1 << 31) - 1, limit)))
    assert floating.unpack(floating.pack_limit(limit)) == float(limit)


def test_limits_are_those_of_the_moment() -> None:
    camera = PatternCamera(width=64, height=48)
    (register,) = lay_out([camera.features.describe("ExposureTime")])
    memory = RegisterMap(feature_cells(register, camera.features))
    maximum = register.limits["Max"]
    assert memory.read(maximum, 8, now_ns=0) == struct.pack(">d", 1e5)
    camera.features["Width"] = 32
    assert memory.read(maximum, 8, now_ns=0) == struct.pack(">d", 1e4)
    with pytest.raises(FeatureValueError, match=r"10.0 to 10000.0 us"):
        memory.write(register.address, struct.pack(">d", 2e4), now_ns=0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_floats_that_are_no_number_are_refused(value: float) -> None:
    camera = PatternCamera()
    (register,) = lay_out([camera.features.describe("Gain")])
    with pytest.raises(FeatureValueError):
        RegisterMap(feature_cells(register, camera.features)).write(
            register.address, struct.pack(">d", value), now_ns=0
        )


def test_command_runs_once_for_a_1_and_cannot_be_read() -> None:
    runs: list[object] = []
    features = LocalFeatures()
    features.add(Feature("Go", FeatureKind.COMMAND), write=runs.append)
    (register,) = lay_out([features.describe("Go")])
    memory = RegisterMap(feature_cells(register, features))
    memory.write(register.address, bytes(4), now_ns=0)
    assert not runs
    memory.write(register.address, b"\0\0\0\1", now_ns=0)
    assert len(runs) == 1
    with pytest.raises(RemoteStatusError) as error:
        memory.read(register.address, 4, now_ns=0)
    assert error.value.status == Status.ACCESS_DENIED


def test_read_only_feature_is_write_protected() -> None:
    features = LocalFeatures()
    features.add(Feature("Temperature", FeatureKind.FLOAT, access=Access.READ_ONLY), read=lambda: 21.5)
    (register,) = lay_out([features.describe("Temperature")])
    memory = RegisterMap(feature_cells(register, features))
    assert memory.read(register.address, 8, now_ns=0) == struct.pack(">d", 21.5)
    with pytest.raises(RemoteStatusError) as error:
        memory.write(register.address, bytes(8), now_ns=0)
    assert error.value.status == Status.WRITE_PROTECT
