"""The first lines of Heliograph: open a camera, take a picture, take many."""

import sys

import heliograph

url = sys.argv[1] if len(sys.argv) > 1 else "sim://red-giant"
with heliograph.open(url, exposure_us=2_000) as camera:
    frame = camera.grab()
    print(frame.width, frame.height, frame.pixel_format.name, frame.timestamp_ns)
    for frame in camera.frames(10):
        print(frame.id, frame.data.mean(), frame.missing_packets)
