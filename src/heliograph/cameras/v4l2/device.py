"""What a V4L2 device says of itself: formats, sizes, rates and controls with their real ranges.

OpenCV streams from such a device but tells no ranges, so they are asked of the driver here. Requests and layouts are
those of linux/videodev2.h; G_FMT alone, whose union holds pointers, differs between 32 and 64 bits.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from heliograph.core import CameraLostError, CameraNotFoundError

Ioctl = Callable[[int, int, bytearray], object]

_VIDEO_CAPTURE = 1
_MMAP = 1
_DISCRETE = 1
_NEXT_CONTROL = 0x80000000
_POINTER_BYTES = struct.calcsize("P")
_FORMAT_BYTES = 200 + _POINTER_BYTES


class Request(IntEnum):
    """Requests of V4L2: direction, size, 'V' and number in one word."""

    QUERYCAP = 0x80685600
    ENUM_FMT = 0xC0405602
    G_FMT = 0xC0005604 | _FORMAT_BYTES << 16
    REQBUFS = 0xC0145608
    G_CTRL = 0xC008561B
    S_CTRL = 0xC008561C
    QUERYCTRL = 0xC0445624
    QUERYMENU = 0xC02C5625
    ENUM_FRAMESIZES = 0xC02C564A
    ENUM_FRAMEINTERVALS = 0xC034564B


class ControlKind(IntEnum):
    """Types of controls that a number can be set to."""

    INTEGER = 1
    BOOLEAN = 2
    MENU = 3
    BUTTON = 4


class ControlFlag(IntFlag):
    """What a control cannot do now or ever."""

    DISABLED = 0x01
    READ_ONLY = 0x04
    INACTIVE = 0x10
    WRITE_ONLY = 0x40


@dataclass(frozen=True, slots=True)
class Control:
    """A control as the driver describes it."""

    id: int
    kind: ControlKind
    name: str
    minimum: int
    maximum: int
    step: int
    flags: ControlFlag
    entries: tuple[tuple[int, str], ...] = ()
    """Value and name of each entry of a menu."""


@dataclass(frozen=True, slots=True)
class Span:
    """Whole numbers from a minimum to a maximum in steps; a number alone has equal limits."""

    minimum: int
    maximum: int
    step: int = 1

    def holds(self, value: int) -> bool:
        """Tell whether it is one of them."""
        return self.nearest(value) == value

    def nearest(self, value: int) -> int:
        """Give the one that is nearest to `value`.

        >>> Span(16, 100, 16).nearest(50), Span(16, 100, 16).nearest(500), Span(7, 7).nearest(1)
        (48, 96, 7)
        """
        inside = min(max(value, self.minimum), self.maximum) - self.minimum
        steps = min(round(inside / self.step), (self.maximum - self.minimum) // self.step)
        return self.minimum + steps * self.step

    def __str__(self) -> str:
        if self.minimum == self.maximum:
            return str(self.minimum)
        return f"{self.minimum} to {self.maximum} in steps of {self.step}"


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes in px that a format comes in: every width with every height."""

    widths: Span
    heights: Span


class VideoDevice:
    """A V4L2 device that is open for questions; another may stream from it meanwhile.

    `ioctl(descriptor, request, buffer)` asks the kernel. Raises `CameraNotFoundError` when `path` is no such device.
    """

    def __init__(self, path: str, ioctl: Ioctl = fcntl.ioctl) -> None:
        self._path = path
        self._ioctl = ioctl
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        except OSError as error:
            raise CameraNotFoundError(f"cannot open {path}: {_advice(error)}") from error
        try:
            answer = self._ask(Request.QUERYCAP, bytearray(104))
        except OSError as error:
            self.close()
            raise CameraNotFoundError(f"{path} is no video device: {error.strerror}") from error
        # device_caps tells of this node alone, where the driver knows the difference (bit 31 of capabilities).
        every, own = struct.unpack_from("=II", answer, 84)
        if not (own if every >> 31 else every) & _VIDEO_CAPTURE:
            self.close()
            raise CameraNotFoundError(f"{path} gives no pictures: try the next /dev/video of this camera")
        self.driver, self.card, self.bus = (_text(answer[start:end]) for start, end in ((0, 16), (16, 48), (48, 80)))

    def close(self) -> None:
        """Close the device."""
        os.close(self._descriptor)

    def is_streaming(self) -> bool:
        """Tell whether somebody streams from it."""
        try:
            self._ask(Request.REQBUFS, bytearray(struct.pack("=III8x", 0, _VIDEO_CAPTURE, _MMAP)))
        except OSError as error:
            return error.errno == errno.EBUSY
        return False

    def formats(self) -> list[str]:
        """Four-letter codes of its formats, the driver's favourite first."""
        answers = self._each(Request.ENUM_FMT, lambda index: struct.pack("=II56x", index, _VIDEO_CAPTURE))
        return [answer[44:48].decode("latin-1") for answer in answers]

    def sizes(self, code: str) -> list[Sizes]:
        """Sizes of a format; none when the driver does not say."""
        found = []
        for answer in self._each(Request.ENUM_FRAMESIZES, lambda index: struct.pack("=I4s36x", index, _code(code))):
            kind, *limits = struct.unpack_from("=7I", answer, 8)
            if kind != _DISCRETE:
                return [Sizes(Span(*limits[:3]), Span(*limits[3:]))]
            found.append(Sizes(Span(limits[0], limits[0]), Span(limits[1], limits[1])))
        return found

    def rates_hz(self, code: str, width_px: int, height_px: int) -> list[float]:
        """Frame rates of a format and size, or their limits, in no order; none when the driver does not say."""
        found: list[float] = []
        head = (_code(code), width_px, height_px)
        for answer in self._each(Request.ENUM_FRAMEINTERVALS, lambda i: struct.pack("=I4sII36x", i, *head)):
            kind, *numbers = struct.unpack_from("=5I", answer, 16)
            pairs = [numbers[:2]] if kind == _DISCRETE else [numbers[:2], numbers[2:]]
            found += [below / above for above, below in pairs if above]
            if kind != _DISCRETE:
                break
        return found

    def row_bytes(self) -> int:
        """Bytes from row to row of the format that is set; 0 for compressed ones."""
        question = struct.pack("=I", _VIDEO_CAPTURE).ljust(_FORMAT_BYTES, b"\0")
        # Width, height, pixel format and field stand before it.
        answer = self._ask(Request.G_FMT, bytearray(question))
        return int(struct.unpack_from("=I", answer, _POINTER_BYTES + 4 * 4)[0])

    def controls(self) -> Iterator[Control]:
        """Give every control that is a number, a switch, a menu or a button."""
        last = 0
        while True:
            try:
                answer = self._ask(Request.QUERYCTRL, bytearray(struct.pack("=I64x", last | _NEXT_CONTROL)))
            except OSError:
                return
            last, kind = struct.unpack_from("=II", answer)
            minimum, maximum, step, _, flags = struct.unpack_from("=iiiiI", answer, 40)
            if flags & ControlFlag.DISABLED or kind not in list(ControlKind):
                continue
            entries = tuple(self._entries(last, minimum, maximum)) if kind == ControlKind.MENU else ()
            name = _text(answer[8:40])
            yield Control(last, ControlKind(kind), name, minimum, maximum, step, ControlFlag(flags), entries)

    def flags(self, control_id: int) -> ControlFlag:
        """What a control cannot do now; raises `CameraLostError` when the device is gone."""
        try:
            answer = self._ask(Request.QUERYCTRL, bytearray(struct.pack("=I64x", control_id)))
        except OSError as error:
            raise CameraLostError(f"{self._path} is lost: {error.strerror}") from error
        return ControlFlag(struct.unpack_from("=I", answer, 56)[0])

    def get(self, control_id: int) -> int:
        """Give a control's value; raises `OSError`."""
        return int(struct.unpack("=Ii", self._ask(Request.G_CTRL, bytearray(struct.pack("=Ii", control_id, 0))))[1])

    def set(self, control_id: int, value: int) -> None:
        """Set a control; raises `OSError`."""
        self._ask(Request.S_CTRL, bytearray(struct.pack("=Ii", control_id, value)))

    def _entries(self, control_id: int, minimum: int, maximum: int) -> Iterator[tuple[int, str]]:
        for index in range(minimum, maximum + 1):
            try:
                answer = self._ask(Request.QUERYMENU, bytearray(struct.pack("=II36x", control_id, index)))
            except OSError:  # a gap in the menu
                continue
            yield index, _text(answer[8:40])

    def _each(self, request: Request, question: Callable[[int], bytes]) -> Iterator[bytearray]:
        """Ask with index 0, 1, … until the driver has no more."""
        index = 0
        while True:
            try:
                yield self._ask(request, bytearray(question(index)))
            except OSError:
                return
            index += 1

    def _ask(self, request: Request, buffer: bytearray) -> bytearray:
        self._ioctl(self._descriptor, request, buffer)
        return buffer


def _code(code: str) -> bytes:
    return code.encode("latin-1")


def _text(field: bytearray) -> str:
    return field.split(b"\0")[0].decode("utf-8", "replace").strip()


def _advice(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{error.strerror}; add yourself to its group: sudo usermod -aG video $USER"
    return f"{error.strerror}; ls /dev/video* tells what there is"
