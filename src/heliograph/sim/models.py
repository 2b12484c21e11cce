"""Sensors of Raspberry Pi's cameras, as their Linux drivers clock them.

From drivers/media/i2c of raspberrypi/linux: `line_length_pix` over the pixel rate is the line time, blank lines are
those of the highest frame rate, gain follows from the largest register value. Full well and read noise are the
simulator's own for every sensor; so are the mosaic, RGGB, and the converter, 12 bits, where a real one may differ.
"""

from __future__ import annotations

from types import MappingProxyType

from heliograph.sim.sensor import SensorModel

SENSORS = MappingProxyType(
    {
        # imx477.c: 24000 px and, binned, 12740 px at 840 MHz; 10 and 40 frames/s; gain code 978.
        "imx477": SensorModel(
            name="IMX477",
            width_px=4056,
            height_px=3040,
            line_time_ns=28_571,
            blank_lines=460,
            binned_line_time_ns=15_167,
            binned_blank_lines=128,
            highest_gain_db=26.95,
            default_rate_hz=10.0,
        ),
        # imx219.c: 3448 px at 182.4 MHz in every mode; VBLANK_MIN 32 of later versions; gain code 232.
        "imx219": SensorModel(
            name="IMX219",
            width_px=3280,
            height_px=2464,
            line_time_ns=18_904,
            blank_lines=32,
            highest_gain_db=20.57,
            default_rate_hz=15.0,
        ),
        # imx708.c: 15648 px at 595.2 MHz, binned 7824 px at 585.6 MHz; vblank_min 58 and 40; gain code 960.
        "imx708": SensorModel(
            name="IMX708",
            width_px=4608,
            height_px=2592,
            line_time_ns=26_290,
            blank_lines=58,
            binned_line_time_ns=13_361,
            binned_blank_lines=40,
            highest_gain_db=24.08,
            default_rate_hz=10.0,
        ),
        # imx296.c: HMAX 1100 at 74.25 MHz, VBLANK at least 30, gain code 480 in steps of 0.1 dB.
        "imx296": SensorModel(
            name="IMX296",
            width_px=1456,
            height_px=1088,
            line_time_ns=14_815,
            blank_lines=30,
            global_shutter=True,
            highest_gain_db=48.0,
            default_rate_hz=30.0,
        ),
    }
)
"""Sensors by the name that `sensor=` takes."""
