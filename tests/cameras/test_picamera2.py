import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import heliograph
from heliograph.cameras.picamera2 import open_camera
from heliograph.cameras.picamera2.buffer import picture
from heliograph.cameras.picamera2.camera import PiCamera
from heliograph.cameras.picamera2.timing import boottime_ahead_ns
from heliograph.cameras.url import CameraUrl
from heliograph.core import (
    CameraBusyError,
    CameraLostError,
    CameraNotFoundError,
    CameraUrlError,
    FeatureAccessError,
    FeatureValueError,
    Frame,
    FrameTimeoutError,
    MissingDependencyError,
    SourceNotFoundError,
)
from heliograph.testing.pi_board import GLOBAL_SHUTTER, HQ, V2, V3, Board, PiSensor, samples, scene
from heliograph.testing.picamera2_standin import standin

SIGNATURES = Path(__file__).parents[1] / "vectors" / "picamera2-0.3.38.json"
MONO = PiSensor("imx296", GLOBAL_SHUTTER.modes, native_order="R")

Open = Callable[..., PiCamera]


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def pi(board: Board, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Open a camera of the board; afterwards every buffer must have gone back."""
    opened = []
    for name, module in standin(SIGNATURES, board).items():
        monkeypatch.setitem(sys.modules, name, module)

    def open_(url: str = "picamera2://0", **settings: Any) -> PiCamera:
        camera = heliograph.open(url, **settings)
        assert isinstance(camera, PiCamera)
        opened.append(camera)
        return camera

    yield open_
    for camera in opened:
        camera.close()
    assert board.held == 0


def shown(frame: Frame, crop: tuple[int, int, int, int]) -> np.ndarray[Any, Any]:
    """Give what a frame must show of a part of the sensor, in the stand-in's red, green and blue."""
    width, height = frame.width + frame.width % 2, frame.height + frame.height % 2
    return scene(crop, (width, height))[: frame.height, : frame.width]


@pytest.mark.parametrize("pisp", [False, True])
@pytest.mark.parametrize("size", [(1014, 760), (330, 242)])
def test_every_processed_format_arrives_in_its_order_without_padding(
    pi: Open, board: Board, pisp: bool, size: tuple[int, int]
) -> None:
    board.pisp = pisp
    width, height = size
    camera = pi(width=width, height=height, binning=2)
    for name in ("BGR8", "RGB8", "NV12", "YUV422_8", "Mono8"):
        camera.features["PixelFormat"] = name
        frame = camera.grab()
        camera.stop()
        seen = shown(frame, (0, 0, width * 2, height * 2))
        expected = {
            "RGB8": seen,
            "BGR8": seen[..., ::-1],
            "Mono8": seen[..., 0],
            "NV12": np.vstack([seen[..., 0], seen[::2, ::2, 1:].reshape(height // 2, width)]),
            "YUV422_8": np.stack([seen[..., 0], np.where(np.arange(width) % 2, seen[:, :, 2], seen[:, :, 1])], axis=-1),
        }[name]
        if name == "YUV422_8":
            # Cb and Cr are those of the pair's left pixel.
            expected[:, 1::2, 1] = seen[:, ::2, 2]
        np.testing.assert_array_equal(frame.data, expected)
        assert frame.data.flags.c_contiguous


def test_planar_chroma_is_given_as_nv12(pi: Open, board: Board) -> None:
    camera = pi(pixel_format="NV12", binning=4, width=1014, height=760)
    semiplanar = camera.grab().data
    camera.stop()
    board.has_nv12 = False
    np.testing.assert_array_equal(camera.grab().data, semiplanar)
    camera.stop()
    camera.features["PixelFormat"] = "Mono8"
    np.testing.assert_array_equal(camera.grab().data, semiplanar[:760])


@pytest.mark.parametrize("url", ["picamera2://0", "picamera2://0?raw=packed"])
@pytest.mark.parametrize(
    ("sensor", "pixel_format", "bits", "binning"),
    [(HQ, "BayerRG12", 12, 2), (V2, "BayerBG10", 10, 2), (V2, "BayerBG8", 8, 1)],
)
def test_raw_pictures_are_the_sensors_samples(
    pi: Open, board: Board, url: str, sensor: PiSensor, pixel_format: str, bits: int, binning: int
) -> None:
    board.sensors = (sensor,)
    camera = pi(url)
    camera.apply({"BinningHorizontal": binning, "PixelFormat": pixel_format})
    frame = camera.grab()
    fitting = [each for each in sensor.modes if each.bits == bits and each.crop[2] == each.width * binning]
    mode = max(fitting, key=lambda each: each.height)
    height, width = frame.data.shape
    np.testing.assert_array_equal(frame.data, samples(mode)[:height, :width])
    assert frame.pixel_format.name == pixel_format
    assert height >= mode.height - 1


@pytest.mark.parametrize("pixel_format", ["BayerRG12", "BayerRG10"])
@pytest.mark.parametrize("url", ["picamera2://0", "picamera2://0?raw=packed"])
def test_a_region_of_a_raw_picture_is_cut_out(pi: Open, url: str, pixel_format: str) -> None:
    camera = pi(url)
    features = camera.features
    features["Width"], features["Height"] = 402, 300
    features["OffsetX"], features["OffsetY"] = 350 + 2, 280
    features["PixelFormat"] = pixel_format
    frame = camera.grab()
    mode = next(mode for mode in HQ.modes if mode.bits == int(pixel_format[-2:]) and mode.crop[2] == mode.width * 2)
    (x, y) = (2 * (352) - mode.crop[0]) // 2, (2 * 280 - mode.crop[1]) // 2
    np.testing.assert_array_equal(frame.data, samples(mode)[y : y + 300, x : x + 402])


def test_a_pi_5_gives_raw_pictures_in_16_bits_and_never_compressed_ones(pi: Open, board: Board) -> None:
    board.pisp = True
    camera = pi(pixel_format="BayerRG16")
    np.testing.assert_array_equal(camera.grab().data, samples(HQ.modes[2])[:1520, :2028] << 4)
    assert "BayerRG12" not in camera.features.describe("PixelFormat").entries
    entries = pi("picamera2://0?raw=packed").features.describe("PixelFormat").entries
    assert not [name for name in entries if name.startswith("Bayer")]


def test_a_sensor_without_a_mosaic_has_neither_colours_nor_white_balance(pi: Open, board: Board) -> None:
    board.sensors = (MONO,)
    camera = pi(pixel_format="Mono10")
    np.testing.assert_array_equal(camera.grab().data, samples(MONO.modes[0]))
    assert "BalanceWhiteAuto" not in camera.features


def test_an_odd_size_loses_what_picamera2_has_to_add(pi: Open) -> None:
    camera = pi(pixel_format="BGR8", binning=8, width=507, height=380)
    frame = camera.grab()
    assert frame.data.shape == (380, 507, 3)
    np.testing.assert_array_equal(frame.data, shown(frame, (0, 0, 4056, 3040))[..., ::-1])
    camera.stop()
    with pytest.raises(FeatureValueError, match=r"Width cannot be 505: possible is 64 to 506 px in steps of 2"):
        camera.apply({"PixelFormat": "NV12", "Width": 505})
    camera.features["PixelFormat"] = "NV12"
    assert camera.features["Width"] == 506


def test_the_region_comes_from_its_part_of_the_sensor(pi: Open, board: Board) -> None:
    for board.pisp in (False, True):
        camera = pi(pixel_format="RGB8", width=640, height=480)
        camera.features["OffsetX"], camera.features["OffsetY"] = 600, 200
        frame = camera.grab()
        np.testing.assert_array_equal(frame.data, shown(frame, (1200, 400, 1280, 960)))
        camera.close()


def test_mirroring(pi: Open) -> None:
    camera = pi(pixel_format="RGB8", width=640, height=480)
    camera.features["OffsetX"] = 600
    upright = camera.grab().data
    camera.stop()
    camera.features["ReverseX"] = camera.features["ReverseY"] = True
    np.testing.assert_array_equal(camera.grab().data, upright[::-1, ::-1])
    camera.stop()
    with pytest.raises(FeatureValueError, match="set ReverseX and ReverseY to false"):
        camera.features["PixelFormat"] = "BayerRG12"


def test_a_frame_stays_when_the_hardware_goes_on(pi: Open) -> None:
    camera = pi()
    first = camera.grab()
    pixels = first.data.copy()
    camera.features["ExposureTime"] = 3_000
    for _ in range(8):
        camera.grab()
    np.testing.assert_array_equal(first.data, pixels)


def test_a_timestamp_is_the_start_of_exposure_of_the_pictures_first_row(pi: Open, board: Board) -> None:
    camera = pi(exposure_us=7_000, width=640, height=480)
    frame = camera.grab()
    assert frame.timestamp_ns == board.start_ns + boottime_ahead_ns()
    assert frame.wall_time_ns == board.start_ns + 10**18
    assert (frame.exposure_us, frame.line_time_ns) == (7_000, 15_167)
    camera.stop()
    camera.features["OffsetY"] = 500
    frame = camera.grab()
    # The mode that is read for this region begins 220 of its rows below the sensor's edge.
    assert camera.features["SensorMode"] == "Auto"
    assert frame.timestamp_ns - boottime_ahead_ns() - board.start_ns == (500 - 220) * 15_167


def test_rows_are_as_far_apart_as_the_picture_is_scaled(pi: Open, board: Board) -> None:
    camera = pi(binning=8, pixel_format="BGR8", width=507, height=380)
    assert camera.grab().line_time_ns == 4 * 15_167
    camera.close()
    board.sensors = (GLOBAL_SHUTTER,)
    assert pi().grab().line_time_ns == 0


def test_a_line_time_that_the_driver_does_not_confirm_is_not_told(pi: Open, board: Board) -> None:
    other = [mode.__class__(**{**vars(mode), "shortest_exposure_us": 37}) for mode in V2.modes]
    board.sensors = (PiSensor("imx219", tuple(other)),)
    camera = pi()
    assert camera.grab().line_time_ns is None
    assert "FramePhaseMode" not in camera.features


def test_frames_that_nobody_took_are_counted(pi: Open, board: Board) -> None:
    camera = pi()
    ids = [camera.grab().id]
    board.skipped = 3
    ids += [camera.grab().id, camera.grab().id]
    assert ids == [1, 5, 6]
    assert (camera.statistics.frames, camera.statistics.dropped_frames) == (3, 3)
    camera.stop()
    assert camera.grab().id == 1


def test_exposure_gain_and_balance_reach_the_camera_and_the_frame(pi: Open, board: Board) -> None:
    camera = pi(exposure_us=1_234, gain_db=12)
    frame = camera.grab()
    assert (frame.exposure_us, frame.temperature_c) == (1_234, None)
    assert frame.gain_db == pytest.approx(12)
    assert board.controls["NoiseReductionMode"] == 0
    board.temperature_c = 41.5
    features = camera.features
    features["ExposureTime"] = 4_000
    features["BalanceWhiteAuto"] = "Off"
    features["BalanceRatioSelector"] = "Blue"
    features["BalanceRatio"] = 3.5
    frame = camera.grab()
    assert (frame.exposure_us, frame.temperature_c) == (4_000, 41.5)
    # What the algorithm found for red stays.
    assert frame.metadata["ColourGains"] == (1.7, 3.5)
    assert camera.snapshot_settings()["BalanceRatio[Red]"] == pytest.approx(1.7)


@pytest.mark.parametrize("split", [True, False])
def test_what_the_camera_decides_can_be_read_and_not_set(pi: Open, board: Board, split: bool) -> None:
    board.split_modes = split
    camera = pi()
    features = camera.features
    features["ExposureAuto"] = "Continuous"
    features["GainAuto"] = "Continuous"
    frame = camera.grab()
    assert features["ExposureTime"] == frame.exposure_us == 8_000
    with pytest.raises(FeatureAccessError, match="set ExposureAuto to Off first"):
        features["ExposureTime"] = 100
    assert not {"ExposureTime", "Gain", "BalanceRatio[Red]"} & camera.snapshot_settings().keys()
    features["ExposureAuto"] = "Off"
    camera.grab()
    assert (features["ExposureTime"], features["GainAuto"]) == (8_000, "Continuous")
    features["ExposureTime"] = 100
    assert camera.grab().exposure_us == 100


def test_a_lens_is_moved_or_left_to_the_camera(pi: Open, board: Board) -> None:
    assert "LensPosition" not in pi().features
    board.sensors = (V3,)
    camera = pi()
    features = camera.features
    assert (features["LensPosition"], features["FocusAuto"]) == (1.0, "Off")
    features["LensPosition"] = 4
    assert camera.grab().metadata["LensPosition"] == 4.0
    features["FocusAuto"] = "Continuous"
    camera.grab()
    with pytest.raises(FeatureAccessError, match="set FocusAuto to Off first"):
        features["LensPosition"] = 3
    features["FocusAuto"] = "Off"
    assert features["LensPosition"] == camera.grab().metadata["LensPosition"] == 2.5


def test_the_frame_rate_follows_mode_and_exposure(pi: Open, board: Board) -> None:
    camera = pi(frame_rate_hz=30)
    first, second = camera.frames(2)
    assert second.timestamp_ns - first.timestamp_ns == 33_333_000
    assert camera.features.describe("AcquisitionFrameRate").maximum == pytest.approx(40.01)
    camera.features["ExposureTime"] = 100_000
    assert camera.features["AcquisitionFrameRate"] == 10
    camera.features["ExposureAuto"] = "Continuous"
    assert camera.features["AcquisitionFrameRate"] == 30
    camera.features["ExposureAuto"] = "Off"
    camera.features["ExposureTime"] = 100_000
    *_, before, after = camera.frames(3)
    assert after.exposure_us == 100_000
    assert 100_000_000 < after.timestamp_ns - before.timestamp_ns < 101_000_000


def test_the_mode_is_the_smallest_that_shows_every_pixel_or_the_one_that_is_named(pi: Open, board: Board) -> None:
    camera = pi(binning=4, frame_rate_hz=25)
    features = camera.features
    assert features.describe("AcquisitionFrameRate").maximum == pytest.approx(40.01)
    camera.features["SensorMode"] = "Mode4056x3040_12bit"
    assert features.describe("AcquisitionFrameRate").maximum == pytest.approx(10)
    with pytest.raises(FeatureValueError, match=r"no mode .* gives pictures of 4056x3040 .* Mode1332x990_10bit"):
        camera.features["SensorMode"] = "Mode1332x990_10bit"
    with pytest.raises(FeatureValueError, match=r"Mode4056x3040_12bit \(binned 1\)"):
        camera.features["PixelFormat"] = "BayerRG12"
    assert camera.features["PixelFormat"] == "YCbCr420_8_YY_CbCr_Semiplanar"


def test_a_binning_keeps_to_its_part_of_the_scene(pi: Open) -> None:
    camera = pi(pixel_format="RGB8", binning=1, width=800, height=600)
    camera.features["OffsetX"], camera.features["OffsetY"] = 1600, 800
    camera.features["BinningVertical"] = 4
    features = camera.features
    assert [features[name] for name in ("Width", "Height", "OffsetX", "OffsetY", "BinningHorizontal")] == [
        200, 150, 400, 200, 4
    ]  # fmt: skip
    features["BinningHorizontal"] = 8
    assert (features["Width"], features["Height"]) == (100, 75)


def test_a_size_that_libcamera_makes_another_of_is_told(pi: Open, board: Board) -> None:
    board.pisp = True
    camera = pi(binning=8, width=64, height=64)
    with pytest.raises(FeatureValueError, match=r"64x64 cannot be had of .*: libcamera makes"):
        camera.grab()


def test_frames_are_steered_to_begin_when_wanted(pi: Open, board: Board) -> None:
    camera = pi(frame_rate_hz=25, exposure_us=2_000, width=64, height=64)
    camera.features["FramePhaseTarget"] = board.start_ns + 13_000_000
    camera.features["FramePhaseMode"] = "On"
    for _ in range(60):
        camera.grab()
    assert abs(int(camera.features["FramePhaseError"])) < 2 * int(camera.features["SensorLineTime"])


def test_no_frame_in_time_is_an_error_and_takes_no_later_frame(pi: Open, board: Board) -> None:
    camera = pi()
    camera.start()
    board.stalled = True
    for _ in range(6):
        with pytest.raises(FrameTimeoutError, match=r"imx477 gave no frame within 0.01 s"):
            camera.grab(timeout_s=0.01)
    board.stalled, board.late = False, True
    assert [camera.grab().id, camera.grab().id] == [1, 2]


@pytest.mark.parametrize("end", [PiCamera.stop, PiCamera.close])
def test_who_waits_for_a_frame_is_told_when_the_camera_is_stopped(
    pi: Open, board: Board, end: Callable[[PiCamera], None]
) -> None:
    camera = pi()
    camera.start()
    board.stalled = True
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(camera.grab, timeout_s=60)
        assert board.waited_for.wait(10)
        end(camera)
        with pytest.raises(CameraLostError, match="was stopped while a frame was waited for"):
            waiting.result(10)


def test_a_buffer_is_copied_to_its_end_before_the_camera_is_stopped(pi: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    camera = pi()
    copying, stopped = threading.Event(), threading.Event()

    def slowly(*words: Any) -> Any:
        copying.set()
        assert not stopped.wait(0.2)
        return picture(*words)

    monkeypatch.setattr("heliograph.cameras.picamera2.camera.picture", slowly)
    stop = camera._picam2.stop

    def told() -> None:
        stopped.set()
        stop()

    monkeypatch.setattr(camera._picam2, "stop", told)
    with ThreadPoolExecutor(1) as thread:
        taking = thread.submit(camera.grab)
        assert copying.wait(10)
        camera.stop()
        assert taking.result(10).id == 1
    assert stopped.is_set()


def test_serving_needs_numpy_and_next_to_nothing() -> None:
    """A Raspberry Pi that only serves has neither OpenCV nor GenApi."""
    code = f"""
import sys
from pathlib import Path
blocked = ("cv2", "genicam", "matplotlib", "skimage", "scipy", "av", "tifffile")
sys.modules.update(dict.fromkeys(blocked))
from heliograph.testing.pi_board import Board
from heliograph.testing.picamera2_standin import standin
sys.modules.update(standin(Path({str(SIGNATURES)!r}), Board()))
import heliograph
from heliograph.cameras.modes import presets_for
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.testing.addresses import loopback_address
with loopback_address() as address, heliograph.open("picamera2://0") as camera:
    with GigeDeviceServer(camera, address, presets=presets_for(camera)):
        print(camera.grab().data.shape)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout == "(2280, 2028)\n", ended.stderr


def test_cameras_are_found_by_number_model_and_id(pi: Open, board: Board) -> None:
    board.sensors += (V2,)
    for wanted, model in (
        ("", "imx477"),
        ("1", "imx219"),
        ("imx219", "imx219"),
        ("/base/soc/i2c@0/imx477@1a", "imx477"),
    ):
        assert pi(f"picamera2://{wanted}").name == model


def test_a_camera_that_is_not_there_is_told(pi: Open, board: Board) -> None:
    with pytest.raises(CameraNotFoundError, match="no camera '3'; libcamera finds 0 \\(imx477\\)"):
        pi("picamera2://3")
    board.sensors = (HQ, HQ)
    with pytest.raises(CameraNotFoundError, match="several cameras are 'imx477'"):
        pi("picamera2://imx477")


@pytest.mark.parametrize(
    ("url", "told"),
    [("picamera2://0?raw=no", "can only be packed"), ("picamera2://0?tunning=a.json", "it has tuning, raw")],
)
def test_a_wrong_url_is_told(pi: Open, url: str, told: str) -> None:
    with pytest.raises(CameraUrlError, match=told):
        pi(url)


def test_no_camera_at_all_is_told(pi: Open, board: Board) -> None:
    board.sensors = ()
    with pytest.raises(CameraNotFoundError, match="rpicam-hello --list-cameras"):
        pi()


def test_a_tuning_file_is_found_by_name_or_path(pi: Open, board: Board, tmp_path: Path) -> None:
    (tmp_path / "imx477_noir.json").write_text('{"version": 2.0}')
    pi(f"picamera2://0?tuning={tmp_path}/imx477_noir.json")
    assert board.tuning == {"version": 2.0}
    with pytest.raises(SourceNotFoundError, match=r"no tuning file imx477_nor\.json"):
        pi("picamera2://0?tuning=imx477_nor.json")


def test_a_camera_in_use_is_told(pi: Open, board: Board) -> None:
    board.busy = True
    with pytest.raises(CameraBusyError, match="another program uses picamera2://0"):
        pi()


def test_a_closed_camera_says_so(pi: Open) -> None:
    camera = pi()
    camera.close()
    camera.close()
    with pytest.raises(CameraLostError, match="imx477 is closed"):
        camera.grab()


def test_without_picamera2_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(MissingDependencyError, match=r"apt install python3-picamera2.* venv --system-site-packages"):
        open_camera(CameraUrl.parse("picamera2://0"))


def test_what_decides_the_shape_of_frames_is_locked_while_they_come(pi: Open) -> None:
    camera = pi()
    camera.start()
    for name, value in {"SensorMode": "Auto", "Width": 640, "OffsetX": 0, "PixelFormat": "BGR8"}.items():
        with pytest.raises(FeatureAccessError, match=f"{name} is locked"):
            camera.features[name] = value


def test_settings_are_taken_and_put_back_whole(pi: Open) -> None:
    camera = pi(pixel_format="BGR8", binning=8, width=507, height=380, exposure_us=500)
    camera.features["BalanceWhiteAuto"] = "Off"
    before = camera.snapshot_settings()
    camera.apply(
        {"PixelFormat": "BayerRG12", "BinningHorizontal": 1, "BinningVertical": 1, "Width": 4056, "Height": 3040}
    )
    assert camera.grab().data.shape == (3040, 4056)
    camera.stop()
    camera.apply(before)
    assert camera.snapshot_settings() == before


def test_settings_may_be_at_odds_until_the_camera_starts(pi: Open) -> None:
    camera = pi()
    whole = camera.snapshot_settings()
    part = {"PixelFormat": "BayerRG10", "SensorMode": "Mode1332x990_10bit", "Width": 1332, "Height": 990}
    camera.apply({**part, "OffsetX": 348, "OffsetY": 264})
    camera.grab()
    camera.stop()
    camera.features["OffsetX"] = 0
    with pytest.raises(FeatureValueError, match="no mode of the sensor gives raw pictures of 2664x1980"):
        camera.grab()
    camera.apply(whole)
    assert camera.snapshot_settings() == whole
    assert camera.grab().data.shape == (2280, 2028)


def test_a_mode_that_reads_a_part_of_the_sensor_is_chosen_by_name(pi: Open) -> None:
    camera = pi(binning=2, width=1332, height=990)
    camera.features["OffsetX"], camera.features["OffsetY"] = 348, 264
    assert camera.features.describe("AcquisitionFrameRate").maximum == pytest.approx(50.03)
    camera.features["SensorMode"] = "Mode1332x990_10bit"
    camera.features["PixelFormat"] = "BayerRG10"
    camera.features["ExposureTime"] = 1_000
    assert camera.features.describe("AcquisitionFrameRate").maximum == pytest.approx(120.05)
    frame = camera.grab()
    np.testing.assert_array_equal(frame.data, samples(HQ.modes[0]))
    assert frame.line_time_ns == 7_933
