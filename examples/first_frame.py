"""The first frame: open a camera, take a picture, write it without loss."""

import sys
from pathlib import Path

import heliograph
from heliograph.core.picture import save_picture

with heliograph.open(sys.argv[1], exposure_us=2_000) as camera:
    frame = camera.grab()  # frame.data: numpy array; frame.timestamp_ns: start of exposure
save_picture(frame, Path("first.png"))
print(frame.width, frame.height, frame.pixel_format.name, frame.timestamp_ns, frame.data.mean())
