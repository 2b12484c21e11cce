"""Raspberry Pi cameras through picamera2 and libcamera: `picamera2://0`, `picamera2://imx477?tuning=imx477_noir.json`."""

from heliograph.cameras.picamera2.discovery import open_camera

__all__ = ["open_camera"]
