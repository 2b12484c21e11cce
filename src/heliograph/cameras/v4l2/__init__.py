"""V4L2 and USB cameras: OpenCV streams, the driver is asked what it can do. Not tried on hardware."""
