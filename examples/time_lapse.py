"""A time lapse: a picture every so many seconds, also when the camera is off for a while."""

import sys
import time
from pathlib import Path

import heliograph
from heliograph.core.picture import save_picture

url, count, interval_s = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
with heliograph.open(url, reconnect=True) as camera:
    begin_s = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, begin_s + number * interval_s - time.monotonic()))
        save_picture(camera.grab(), Path(f"lapse_{number:04d}.png"))
    print(f"{count} pictures, lost and found {camera.statistics.reconnects} times")
