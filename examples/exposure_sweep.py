"""An exposure sweep: how bright the picture is at each exposure, within what the camera can do."""

import sys

import heliograph

with heliograph.open(sys.argv[1]) as camera:
    limits = camera.features.describe("ExposureTime")
    for exposure_us in (50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000):
        if (limits.minimum or 0) <= exposure_us <= (limits.maximum or exposure_us):
            camera.features.ExposureTime = exposure_us
            frames = camera.frames(20, policy="newest")  # the first of them may have been exposed before
            frame = next(frame for frame in frames if frame.exposure_us in (camera.features.ExposureTime, None))
            print(f"{exposure_us:6} us  mean {frame.data.mean():8.2f}  most {frame.data.max()}")
