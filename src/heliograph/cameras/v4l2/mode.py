"""What a V4L2 device is to stream: pixel format, size and rate, kept while it does not."""

from __future__ import annotations

from heliograph.cameras.v4l2.device import Sizes, Span, VideoDevice
from heliograph.core import CameraNotFoundError, FeatureValueError, PixelFormat

# Formats whose bytes are delivered as they are. Y12 and the mosaics are only bytes to OpenCV; their form is given here.
RAW = {
    "YUYV": PixelFormat.YUV422_8,
    "NV12": PixelFormat.parse("NV12"),
    "NV21": PixelFormat.parse("NV21"),
    "GREY": PixelFormat.Mono8,
    "Y10 ": PixelFormat.Mono10,
    "Y12 ": PixelFormat.Mono12,
    "Y16 ": PixelFormat.Mono16,
    "GRBG": PixelFormat.BayerGR8,
    "RGGB": PixelFormat.BayerRG8,
    "GBRG": PixelFormat.BayerGB8,
    "BA81": PixelFormat.BayerBG8,
    "BA10": PixelFormat.BayerGR10,
    "RG10": PixelFormat.BayerRG10,
    "GB10": PixelFormat.BayerGB10,
    "BG10": PixelFormat.BayerBG10,
    "BA12": PixelFormat.BayerGR12,
    "RG12": PixelFormat.BayerRG12,
    "GB12": PixelFormat.BayerGB12,
    "BG12": PixelFormat.BayerBG12,
    "GR16": PixelFormat.BayerGR16,
    "RG16": PixelFormat.BayerRG16,
    "GB16": PixelFormat.BayerGB16,
    "BYR2": PixelFormat.BayerBG16,
}
# Formats that OpenCV makes BGR of, the best first: a USB camera gives its full size at full rate as MJPG alone.
# NV12 is not among them: OpenCV makes RGB of it and calls it BGR (cap_v4l.cpp, convertToRgb).
DECODED = ("MJPG", "YUYV", "UYVY", "BGR3", "RGB3")
_USUAL_SIZE = (640, 480)


class Mode:
    """Format, size and rate of a device, always ones that it has.

    Raises `CameraNotFoundError` when it has no format that can be used here.
    """

    def __init__(self, device: VideoDevice, name: str) -> None:
        self.device = device
        has = device.formats()
        self.codes = {RAW[code]: code for code in has if code in RAW}
        if decoded := next((code for code in DECODED if code in has), ""):
            self.codes[PixelFormat.BGR8] = decoded
        if not self.codes:
            raise CameraNotFoundError(f"{name} gives {', '.join(has) or 'no format'}, none of which can be used here")
        self.width = self.height = 0
        self.rate_hz = 0.0
        """0 when the driver does not say what it can."""
        self.set_format(PixelFormat.BGR8 if PixelFormat.BGR8 in self.codes else next(iter(self.codes)))

    @property
    def code(self) -> str:
        """The driver's four letters for what it streams."""
        return self.codes[self.pixel_format]

    def sizes(self) -> list[Sizes]:
        """Sizes of the present format; the usual one when the driver does not say."""
        return self.device.sizes(self.code) or [Sizes(*(Span(side, side) for side in _USUAL_SIZE))]

    def heights(self) -> list[Span]:
        """Heights that go with the present width."""
        return [each.heights for each in self.sizes() if each.widths.holds(self.width)]

    def rates_hz(self) -> list[float]:
        """Frame rates of the present format and size that OpenCV can ask for, which are whole numbers, ascending."""
        found = self.device.rates_hz(self.code, self.width, self.height)
        return sorted({rate_hz for rate_hz in found if rate_hz >= 1 and abs(rate_hz - round(rate_hz)) < 0.1})

    def set_format(self, pixel_format: PixelFormat) -> None:
        """Take another format, and its size that is nearest."""
        self.pixel_format = pixel_format
        wanted = (self.width, self.height) if self.width else _USUAL_SIZE
        self._take([(each.widths.nearest(wanted[0]), each.heights.nearest(wanted[1])) for each in self.sizes()], wanted)

    def set_width(self, width: int) -> None:
        """Take another width, and the nearest height that goes with it; raises `FeatureValueError`."""
        near = [(width, each.heights.nearest(self.height)) for each in self.sizes() if each.widths.holds(width)]
        if not near:
            raise FeatureValueError(f"Width cannot be {width}: possible is {_told([s.widths for s in self.sizes()])}")
        self._take(near, (width, self.height))

    def set_height(self, height: int) -> None:
        """Take another height; raises `FeatureValueError` for one that does not go with the width."""
        if not any(each.holds(height) for each in self.heights()):
            possible = f"with Width {self.width}, possible is {_told(self.heights())}"
            raise FeatureValueError(f"Height cannot be {height}: {possible}")
        self._take([(self.width, height)], (self.width, height))

    def set_rate(self, rate_hz: float) -> None:
        """Take the nearest rate that there is."""
        self.rate_hz = min(self.rates_hz(), key=lambda possible_hz: abs(possible_hz - rate_hz))

    def _take(self, possible: list[tuple[int, int]], wanted: tuple[int, int]) -> None:
        self.width, self.height = min(possible, key=lambda size: abs(size[0] - wanted[0]) + abs(size[1] - wanted[1]))
        self.rate_hz = max(self.rates_hz(), default=0.0)


def _told(spans: list[Span]) -> str:
    return ", ".join(dict.fromkeys(map(str, spans)))
