# ruff: noqa: SLF001  # these classes are parts of one library, and public names in them must be picamera2's
"""A stand-in for picamera2 and libcamera, which are at home on a Raspberry Pi only.

Every public name in it must be in the signatures taken from picamera2's wheel, with the same parameters
(`heliograph.testing.signatures`), or it is not made: a driver that works with it calls what there is. Controls that
libcamera does not advertise, values of the wrong type and sizes that picamera2 refuses raise as they do there.
"""

from __future__ import annotations

import ast
import copy
import inspect
import json
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from heliograph.testing.pi_board import ISP_FORMATS, Board, Mode, PiSensor, samples, scene, write_picture, write_raw
from heliograph.testing.pi_controls import Exposure, advertised, check_value, expose, focus

_RELEASED = 0xDD


class Transform:
    """libcamera's Transform (src/py/libcamera/py_transform.cpp)."""

    def __init__(self, rotation: int = 0, hflip: bool = False, vflip: bool = False, transpose: bool = False) -> None:
        self.hflip, self.vflip = hflip, vflip
        if rotation or transpose:
            raise NotImplementedError("the stand-in knows mirroring only")


_EMPTY: dict[str, Any] = {}
_UPRIGHT = Transform()


class _Request:
    """A frame in its buffer (request.py, CompletedRequest)."""

    def __init__(self, camera: _Camera, buffer: npt.NDArray[np.uint8], metadata: dict[str, Any]) -> None:
        self._camera, self._buffer, self._metadata = camera, buffer, metadata
        self._references = 1
        camera._board.held += 1

    def get_metadata(self) -> dict[str, Any]:
        self._check()
        return dict(self._metadata)

    def release(self) -> None:
        self._references -= 1
        if self._references < 0:
            raise RuntimeError("CompletedRequest: lock now has negative ref_count")
        self._camera._board.held -= 1
        # The hardware writes the next frame here.
        self._buffer[:] = _RELEASED
        self._camera._free.append(self._buffer)

    def _check(self) -> None:
        if not self._references:
            raise RuntimeError("the request was given back already")


class _MappedArray:
    """A look at a buffer (request.py, MappedArray)."""

    def __init__(self, request: _Request, stream: str, reshape: bool = True, write: bool = True) -> None:
        if reshape or stream != request._camera._stream:
            raise NotImplementedError("the stand-in gives the bytes of the stream it fills")
        self._request = request

    def __enter__(self) -> Self:
        self._request._check()
        return self

    def __exit__(self, exc_type: object, exc_value: object, exc_traceback: object) -> None:
        del self._request

    @property
    def array(self) -> npt.NDArray[np.uint8]:
        return self._request._buffer


class _Job:
    """A frame that is to come (job.py, Job)."""

    def __init__(self, camera: _Camera) -> None:
        self._camera = camera
        self._cancelled = threading.Event()

    def get_result(self, timeout: Any = None) -> _Request:
        board = self._camera._board
        if board.late:
            board.late = False
            self._camera._jobs.remove(self)
            raise TimeoutError
        if self._cancelled.is_set() or board.stalled or not self._camera._free:
            board.waited_for.set()
            raise CancelledError if self._cancelled.wait(timeout) else TimeoutError
        if self in self._camera._jobs:
            self._camera._jobs.remove(self)
        return self._camera._frame()

    def cancel(self) -> None:
        self._cancelled.set()


class _Camera:
    """picamera2.py, Picamera2."""

    _board: Board

    def __init__(
        self, camera_num: int = 0, verbose_console: Any = None, tuning: Any = None, allocator: Any = None
    ) -> None:
        if self._board.busy:
            # src/py/libcamera/py_main.cpp, Camera.acquire.
            raise RuntimeError("Camera __init__ sequence did not complete.") from RuntimeError(
                "Failed to acquire camera: Device or resource busy"
            )
        self._sensor: PiSensor = self._board.sensors[camera_num]
        self._board.tuning = tuning
        self._mode: Mode = self._sensor.modes[-1]
        self._configuration: dict[str, Any] = {}
        self._pending: dict[str, Any] = {}
        self._jobs: list[_Job] = []
        self._free: list[npt.NDArray[np.uint8]] = []
        self._started = self._closed = False
        self._stream = "main"

    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        raise NotImplementedError

    @staticmethod
    def load_tuning_file(tuning_file: str, dir: str | None = None) -> dict[str, Any]:
        path = Path(dir or "/usr/share/libcamera/ipa/rpi/vc4") / tuning_file
        if not path.is_file():
            raise RuntimeError("Tuning file not found")
        loaded: dict[str, Any] = json.loads(path.read_text())
        return loaded

    @property
    def camera_properties(self) -> dict[str, Any]:
        return {"Model": self._sensor.model, "Rotation": self._sensor.rotation}

    @property
    def camera_controls(self) -> dict[str, tuple[Any, Any, Any]]:
        return advertised(self._board, self._sensor, self._mode)

    @property
    def sensor_modes(self) -> list[dict[str, Any]]:
        return [
            {
                "format": f"{_bayer(self._sensor.native_order, mode.bits)}_CSI2P",
                "unpacked": _bayer(self._sensor.native_order, mode.bits),
                "bit_depth": mode.bits,
                "size": (mode.width, mode.height),
                "fps": round(1e6 / mode.shortest_frame_us, 2),
                "crop_limits": mode.crop,
                "exposure_limits": (mode.shortest_exposure_us, 66_724_487, 20_000),
            }
            for mode in self._sensor.modes
        ]

    def create_still_configuration(
        self,
        main: Any = _EMPTY,
        lores: Any = None,
        raw: Any = _EMPTY,
        transform: Any = _UPRIGHT,
        colour_space: Any = None,
        buffer_count: int = 1,
        controls: Any = _EMPTY,
        display: Any = None,
        encode: Any = None,
        queue: bool = True,
        sensor: Any = _EMPTY,
        use_case: str = "still",
    ) -> dict[str, Any]:
        for stream in (main, raw or {}):
            unknown = stream.keys() - {"format", "size", "stride", "preserve_ar"}
            if unknown:
                raise ValueError(f"Bad key {unknown}")
        width, height = main["size"]
        main = {**main, "size": (width - width % 2, height - height % 2)}
        given = {"main": main, "raw": raw, "transform": transform, "buffer_count": buffer_count, "sensor": sensor}
        return copy.deepcopy({**given, "controls": {"NoiseReductionMode": 2} | controls, "queue": queue})

    def configure(self, camera_config: Any = None) -> None:
        if self._started:
            raise RuntimeError("Camera must be stopped before configuring")
        configuration = copy.deepcopy(camera_config)
        main, raw, sensor = (configuration[each] for each in ("main", "raw", "sensor"))
        if main["format"] not in ISP_FORMATS or any(size % 2 for size in main["size"]):
            raise RuntimeError(f"Bad format or size in stream main: {main}")
        if sensor.keys() - {"bit_depth", "output_size"}:
            raise RuntimeError("Unexpected keys in sensor configuration")
        self._mode = next(
            mode
            for mode in self._sensor.modes
            if (mode.bits, (mode.width, mode.height)) == (sensor["bit_depth"], sensor["output_size"])
        )
        if not self._board.has_nv12 and main["format"] == "NV12":
            main["format"] = "YUV420"
        main["size"] = self._adjusted(*main["size"])
        self._stream = "raw" if raw else "main"
        if raw:
            raw["format"] = self._raw_name(raw["format"], configuration["transform"])
            raw["size"] = (self._mode.width, self._mode.height)
        for stream in (main, raw) if raw else (main,):
            stream["stride"] = self._board.stride_bytes(stream["format"], stream["size"][0])
        self._configuration = configuration
        self._allocate(configuration[self._stream], configuration["buffer_count"])
        self._pending = {}
        self.set_controls(configuration["controls"])
        if self._board.pisp:
            self._pending["ScalerCrops"] = [self._mode.crop]

    def _adjusted(self, width: int, height: int) -> tuple[int, int]:
        """pipeline/rpi/pisp/pisp.cpp, platformValidate: no less than 1/16 of the mode without a downscaler."""
        if self._board.pisp:
            width = max(width, ((self._mode.width - 1 + 15) // 16 + 2) & ~1)
        return width, height

    def _raw_name(self, wanted: str, transform: Transform) -> str:
        """Give the raw format as platformValidate of pisp.cpp and vc4.cpp makes it, and the mosaic as it is mounted."""
        order = self._sensor.order(transform.hflip, transform.vflip)
        packed = "CSI2P" in wanted
        if self._board.pisp:
            return f"{order}_PISP_COMP1" if packed else _bayer(order, 16)
        bits = self._mode.bits
        return _bayer(order, bits) + ("_CSI2P" if packed and bits > 8 else "")

    def _allocate(self, stream: dict[str, Any], count: int) -> None:
        frame_bytes = self._board.frame_bytes(stream["format"], *stream["size"])
        self._free = [np.full(frame_bytes, _RELEASED, np.uint8) for _ in range(count)]

    def camera_configuration(self) -> dict[str, Any]:
        return self._configuration

    def set_controls(self, controls: Any) -> None:
        known = self.camera_controls
        for name, value in controls.items():
            if name not in known:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
            check_value(name, value)
        self._pending |= controls

    def start(self, config: Any = None, show_preview: Any = False) -> None:
        if not self._configuration or self._closed:
            raise RuntimeError("Camera has not been configured")
        self._started = True
        self._board.start_ns = time.monotonic_ns()

    def stop(self) -> None:
        self._started = False

    def close(self) -> None:
        self._started, self._closed = False, True

    def capture_request(self, wait: Any = None, signal_function: Any = None, flush: Any = None) -> Any:
        if wait is not False or flush is not None:
            raise NotImplementedError("the stand-in gives jobs only")
        job = _Job(self)
        self._jobs.append(job)
        return job

    def cancel_all_and_flush(self) -> None:
        for job in self._jobs:
            job.cancel()
        self._jobs = []

    def _frame(self) -> _Request:
        board = self._board
        board.controls |= self._pending
        self._pending = {}
        exposure = expose(board.controls, self._mode)
        board.start_ns += exposure.frame_us * 1000 * (1 + board.skipped)
        board.skipped = 0
        buffer = self._free.pop(0)
        self._write(buffer)
        return _Request(self, buffer, self._metadata(exposure))

    def _write(self, buffer: npt.NDArray[np.uint8]) -> None:
        stream, transform = self._configuration[self._stream], self._configuration["transform"]
        if self._stream == "raw":
            write_raw(buffer, stream["format"], samples(self._mode), self._mode.bits, stream["stride"])
            return
        controls = self._board.controls
        # pipeline_base.cpp, applyScalerCrop: ScalerCrops goes before ScalerCrop.
        crop = (controls.get("ScalerCrops") or [controls.get("ScalerCrop", self._mode.crop)])[0]
        pixels = scene(crop, stream["size"], (transform.hflip, transform.vflip))
        write_picture(buffer, stream["format"], pixels, stream["stride"])

    def _metadata(self, exposure: Exposure) -> dict[str, Any]:
        """ipa_base.cpp, reportMetadata; the time is that of the first byte (Linux bcm2835-unicam.c, unicam_isr)."""
        board = self._board
        sensor_ns = board.start_ns + exposure.exposure_us * 1000
        told = {
            "SensorTimestamp": sensor_ns,
            "ExposureTime": exposure.exposure_us,
            "AnalogueGain": exposure.amplification,
            "DigitalGain": 1.0,
            "ColourGains": exposure.colour_gains,
            "FrameDuration": exposure.frame_us,
        }
        told |= focus(board.controls)
        told |= {"SensorTemperature": board.temperature_c} if board.temperature_c is not None else {}
        return told | ({"FrameWallClock": sensor_ns + 10**18} if board.wall_clock else {})


def _bayer(order: str, bits: int) -> str:
    return f"{'' if order == 'R' else 'S'}{order}{bits}"


def standin(signatures: Path, board: Board) -> dict[str, ModuleType]:
    """Give the modules `picamera2` and `libcamera` for a board.

    Raises `TypeError` when the stand-in has a name or a parameter that picamera2 has not.
    """
    facts = json.loads(signatures.read_text(encoding="utf-8"))["classes"]
    parts = {"Picamera2": _Camera, "MappedArray": _MappedArray, "CompletedRequest": _Request, "Job": _Job}
    for name, part in parts.items():
        _compare(name, part, facts[name])
    camera = type("Picamera2", (_Camera,), {"_board": board, "global_camera_info": staticmethod(lambda: _found(board))})
    picamera2, libcamera = ModuleType("picamera2"), ModuleType("libcamera")
    vars(picamera2).update(Picamera2=camera, MappedArray=_MappedArray)
    vars(libcamera).update(Transform=Transform)
    return {"picamera2": picamera2, "libcamera": libcamera}


def _found(board: Board) -> list[dict[str, Any]]:
    return [
        {"Model": each.model, "Rotation": each.rotation, "Id": f"/base/soc/i2c@{n}/{each.model}@1a", "Num": n}
        for n, each in enumerate(board.sensors)
    ]


def _compare(name: str, part: type, facts: dict[str, Any]) -> None:
    for member, value in vars(part).items():
        if member.startswith("_") and member != "__init__":
            continue
        if isinstance(value, property):
            if member not in facts["properties"]:
                raise TypeError(f"picamera2's {name} has no property {member}")
        elif member == "__init__" and part not in (_Camera, _MappedArray):
            continue
        elif member not in facts["methods"] or _shape(value) != _written_shape(facts["methods"][member]):
            raise TypeError(f"picamera2's {name}.{member} is not called like that: {facts['methods'].get(member)}")


def _shape(function: Any) -> list[tuple[str, bool]]:
    if isinstance(function, staticmethod):
        function = function.__func__
    parameters = inspect.signature(function).parameters.values()
    return [(each.name, each.default is not inspect.Parameter.empty) for each in parameters]


def _written_shape(parameters: str) -> list[tuple[str, bool]]:
    arguments = ast.parse(f"def f({parameters}): ...").body[0].args  # type: ignore[attr-defined]  # it is a function
    required = len(arguments.args) - len(arguments.defaults)
    return [(each.arg, n >= required) for n, each in enumerate(arguments.args)]
