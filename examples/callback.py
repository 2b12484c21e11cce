"""Callbacks: frames come to you, in a thread of their own, while the program does something else."""

import sys
import threading

import heliograph

enough = threading.Event()


def look(frame: heliograph.Frame) -> None:
    print(frame.id, frame.data.mean())
    if frame.id >= int(sys.argv[2]):
        enough.set()


with heliograph.open(sys.argv[1]) as camera, camera.on_frame(look) as subscription:
    enough.wait(timeout=60)
    print(camera.statistics, subscription.error)
