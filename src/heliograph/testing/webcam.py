"""A stand-in for a USB camera, its driver and OpenCV's capture of it.

Answers are in the structures of linux/videodev2.h, as the kernel's V4L2 documentation says; frames come as OpenCV's
cap_v4l.cpp hands them out.

    driver = WebcamDriver()
    OpenCvCamera(WebcamSource("/dev/null", driver.ioctl, driver.capture))
"""

from __future__ import annotations

import ctypes
import errno
import os
import time
from collections.abc import Callable
from ctypes import c_char, c_int32, c_uint32
from typing import Any

import cv2
import numpy as np


class Capability(ctypes.Structure):
    """Of VIDIOC_QUERYCAP."""

    _fields_ = [
        ("driver", c_char * 16),
        ("card", c_char * 32),
        ("bus_info", c_char * 32),
        ("version", c_uint32),
        ("capabilities", c_uint32),
        ("device_caps", c_uint32),
        ("reserved", c_uint32 * 3),
    ]


class FormatDescription(ctypes.Structure):
    """Of VIDIOC_ENUM_FMT."""

    _fields_ = [
        ("index", c_uint32),
        ("type", c_uint32),
        ("flags", c_uint32),
        ("description", c_char * 32),
        ("pixelformat", c_char * 4),
        ("reserved", c_uint32 * 4),
    ]


class Format(ctypes.Structure):
    """Of VIDIOC_G_FMT, where the kernel's union begins with 8 bytes of type and padding."""

    _fields_ = [(name, c_uint32) for name in ("type", "pad", "width", "height", "pixelformat", "field")]
    _fields_ += [("bytesperline", c_uint32), ("sizeimage", c_uint32), ("rest", c_uint32 * 44)]


class Buffers(ctypes.Structure):
    """Of VIDIOC_REQBUFS."""

    _fields_ = [(name, c_uint32) for name in ("count", "type", "memory", "capabilities", "flags")]


class Value(ctypes.Structure):
    """Of VIDIOC_G_CTRL and VIDIOC_S_CTRL."""

    _fields_ = [("id", c_uint32), ("value", c_int32)]


class Query(ctypes.Structure):
    """Of VIDIOC_QUERYCTRL."""

    _fields_ = [("id", c_uint32), ("type", c_uint32), ("name", c_char * 32), ("minimum", c_int32)]
    _fields_ += [("maximum", c_int32), ("step", c_int32), ("default_value", c_int32), ("flags", c_uint32)]
    _fields_ += [("reserved", c_uint32 * 2)]


class Menu(ctypes.Structure):
    """Of VIDIOC_QUERYMENU, which is packed."""

    _fields_ = [("id", c_uint32), ("index", c_uint32), ("name", c_char * 32), ("reserved", c_uint32)]


class FrameSize(ctypes.Structure):
    """Of VIDIOC_ENUM_FRAMESIZES."""

    _fields_ = [("index", c_uint32), ("pixel_format", c_char * 4), ("type", c_uint32)]
    _fields_ += [("numbers", c_uint32 * 6), ("reserved", c_uint32 * 2)]


class FrameInterval(ctypes.Structure):
    """Of VIDIOC_ENUM_FRAMEINTERVALS."""

    _fields_ = [("index", c_uint32), ("pixel_format", c_char * 4), ("width", c_uint32), ("height", c_uint32)]
    _fields_ += [("type", c_uint32), ("numbers", c_uint32 * 6), ("reserved", c_uint32 * 2)]


_CAPTURE, _STREAMING, _NODE_CAPS = 0x1, 0x04000000, 0x80000000
_NEXT, _DISABLED, _INACTIVE = 0x80000000, 0x1, 0x10
_EXPOSURE_AUTO, _EXPOSURE, _WHITE_AUTO, _WHITE = 0x009A0901, 0x009A0902, 0x0098090C, 0x0098091A
_SIZES = {"MJPG": [(640, 480), (1280, 720)], "YUYV": [(320, 240), (640, 480)], "Y10 ": [(320, 240)]}
_RATES = {"MJPG": [(1, 30), (1, 15)], "YUYV": [(1, 30), (2, 15)], "Y10 ": [(1, 200)]}
# Type, name, minimum, maximum, step, value.
_CONTROLS = {
    0x00980900: (1, b"Brightness", -64, 64, 1, 0),
    _WHITE_AUTO: (2, b"White Balance, Automatic", 0, 1, 1, 1),
    0x00980913: (1, b"Gain", 0, 100, 1, 10),
    0x00980918: (3, b"Power Line Frequency", 0, 2, 1, 1),
    _WHITE: (1, b"White Balance Temperature", 2800, 6500, 10, 4600),
    0x0098091B: (1, b"Sharpness", 0, 7, 1, 3),
    _EXPOSURE_AUTO: (3, b"Auto Exposure", 0, 3, 1, 3),
    _EXPOSURE: (1, b"Exposure Time, Absolute", 3, 2047, 1, 250),
    0x009A0910: (7, b"A text", 0, 0, 0, 0),
    0x009A0921: (4, b"Reset Lens", 0, 0, 0, 0),
}
_MENUS = {
    0x00980918: [b"Disabled", b"50 Hz", b"60 Hz"],
    _EXPOSURE_AUTO: [b"", b"Manual Mode", b"", b"Aperture Priority"],
}


class WebcamDriver:
    """A camera with MJPG, YUYV, 10-bit grey and a GREY of any size; `plugged`, `busy`, `padded` may be changed."""

    def __init__(self) -> None:
        self.plugged = True
        self.busy = False
        self.padded = False
        self.clock_ns: Callable[[], int] = time.monotonic_ns
        self.broken_frames = 0
        self.streams: list[WebcamCapture] = []
        self.pressed: list[int] = []
        self._answers: dict[int, tuple[type[ctypes.Structure], Callable[[Any], None]]] = {
            0: (Capability, self._capability),
            2: (FormatDescription, self._format),
            4: (Format, self._present),
            8: (Buffers, self._buffers),
            27: (Value, self._get),
            28: (Value, self._set),
            36: (Query, self._query),
            37: (Menu, self._menu),
            74: (FrameSize, self._size),
            75: (FrameInterval, self._interval),
        }
        self.plug()

    def plug(self) -> None:
        """Put the plug in: every control is at its default."""
        self.values = {control_id: each[5] for control_id, each in _CONTROLS.items()}
        self.plugged = True

    def capture(self, _path: str, options: list[int]) -> WebcamCapture:
        """Open it as OpenCV does."""
        self.streams.append(WebcamCapture(self, dict(zip(options[::2], options[1::2], strict=True))))
        return self.streams[-1]

    def ioctl(self, _descriptor: int, request: int, buffer: bytearray) -> None:
        """Answer a request; raises `OSError` as the kernel does."""
        if not self.plugged:
            raise _error(errno.ENODEV)
        structure, answer = self._answers[request & 0xFF]
        # The size of the structure is a part of the request.
        if request >> 16 & 0x3FFF != ctypes.sizeof(structure):
            raise _error(errno.ENOTTY)
        answer(structure.from_buffer(buffer))

    def _capability(self, told: Any) -> None:
        told.driver, told.card, told.bus_info = b"uvcvideo", b"Stand-in Camera", b"usb-0000:00:14.0-1"
        told.capabilities, told.device_caps = _CAPTURE | _STREAMING | _NODE_CAPS, _CAPTURE | _STREAMING

    def _format(self, told: Any) -> None:
        codes = [*_SIZES, "GREY", "H264"]
        told.pixelformat = _at(codes, told.index).encode()

    def _size(self, told: Any) -> None:
        code = told.pixel_format.decode()
        if code == "GREY" and told.index == 0:
            told.type, told.numbers = 3, (16, 640, 16, 16, 480, 8)
            return
        told.type = 1
        told.numbers[:2] = _at(_SIZES.get(code, []), told.index)

    def _interval(self, told: Any) -> None:
        code = told.pixel_format.decode()
        if code == "GREY" and told.index == 0:
            told.type, told.numbers = 3, (1, 60, 1, 1, 1, 1000)
            return
        told.type = 1
        told.numbers[:2] = _at(_RATES.get(code, []), told.index)

    def _present(self, told: Any) -> None:
        told.bytesperline = self.streams[-1].row_bytes + 32 * self.padded

    def _buffers(self, told: Any) -> None:
        if self.busy:
            raise _error(errno.EBUSY)

    def _query(self, told: Any) -> None:
        wanted = told.id & ~_NEXT
        known = [each for each in sorted(_CONTROLS) if (each > wanted if told.id & _NEXT else each == wanted)]
        told.id = _at(known, 0)
        told.type, told.name, told.minimum, told.maximum, told.step, told.default_value = _CONTROLS[told.id]
        automatic = {_WHITE: self.values[_WHITE_AUTO] == 1, _EXPOSURE: self.values[_EXPOSURE_AUTO] != 1}
        told.flags = _INACTIVE * automatic.get(told.id, False) | _DISABLED * (told.name == b"Sharpness")

    def _menu(self, told: Any) -> None:
        told.name = _at(_MENUS[told.id], told.index)
        if not told.name:
            raise _error(errno.EINVAL)

    def _get(self, told: Any) -> None:
        told.value = self.values[told.id]

    def _set(self, told: Any) -> None:
        if _CONTROLS[told.id][0] == 4:
            self.pressed.append(told.id)
        self.values[told.id] = told.value


def _at(known: list[Any], index: int) -> Any:
    if index >= len(known):
        raise _error(errno.EINVAL)
    return known[index]


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


class WebcamCapture:
    """OpenCV's capture of such a camera: every sample is the frame's number; a second has `rate_hz` frames."""

    def __init__(self, driver: WebcamDriver, options: dict[int, int]) -> None:
        self._driver = driver
        self._options = options
        self._number = 0
        code = options[cv2.CAP_PROP_FOURCC]
        self.code = bytes(code >> shift & 0xFF for shift in (0, 8, 16, 24)).decode()
        self.row_bytes = self._width * {"YUYV": 2, "Y10 ": 2, "GREY": 1, "MJPG": 0}[self.code]
        self.released = False

    @property
    def _width(self) -> int:
        return self._options[cv2.CAP_PROP_FRAME_WIDTH]

    @property
    def _height(self) -> int:
        return self._options[cv2.CAP_PROP_FRAME_HEIGHT]

    def isOpened(self) -> bool:
        """Tell whether it streams."""
        return self._driver.plugged

    def get(self, number: int) -> float:
        """Give a property."""
        if number == cv2.CAP_PROP_POS_MSEC:
            return self._driver.clock_ns() / 1e6
        return float(self._options.get(number, 0))

    def grab(self) -> bool:
        """Wait for the next picture."""
        time.sleep(1 / self._options.get(cv2.CAP_PROP_FPS, 100))
        self._number += 1
        return self._driver.plugged and not self.released

    def retrieve(self) -> tuple[bool, Any]:
        """Give the picture: BGR, or, without conversion, what cap_v4l.cpp makes of the bytes."""
        if self._number <= self._driver.broken_frames:
            return True, np.zeros((1, 7), np.uint8)
        size, fill = (self._height, self._width), self._number & 0xFF
        if self._options[cv2.CAP_PROP_CONVERT_RGB]:
            return True, np.full((*size, 3), fill, np.uint8)
        if self.code == "Y10 ":
            return True, np.full(size, 768 + fill, np.uint16)
        return True, np.full((*size, 2) if self.code == "YUYV" else size, fill, np.uint8)

    def release(self) -> None:
        """Let it go."""
        self.released = True
