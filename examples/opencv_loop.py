"""An OpenCV loop: where the brightest spot is, in the newest picture there is; older ones are passed over."""

import sys

import cv2

import heliograph

with heliograph.open(sys.argv[1]) as camera:
    for frame in camera.frames(int(sys.argv[2]), policy="newest"):
        blurred = cv2.GaussianBlur(frame.to("Mono8"), (9, 9), 0)
        brightness, place = cv2.minMaxLoc(blurred)[1::2]
        print(f"frame {frame.id}: {brightness:.0f} at {place}")
