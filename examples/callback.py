"""Callbacks: frames come to you, in a thread of their own, while the program does something else."""

import sys
import threading

import heliograph

url, count = sys.argv[1], int(sys.argv[2])
enough = threading.Event()


def look(frame: heliograph.Frame) -> None:
    print(frame.id, frame.data.mean())
    if frame.id >= count:
        enough.set()


with heliograph.open(url) as camera, camera.on_frame(look) as subscription:
    enough.wait(timeout=60)
    print(camera.statistics, subscription.error)
