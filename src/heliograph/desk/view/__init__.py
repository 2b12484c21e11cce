"""One page on localhost that shows a camera and sets it."""

from heliograph.desk.view.camera import ViewedCamera
from heliograph.desk.view.server import ViewServer

__all__ = ["ViewServer", "ViewedCamera"]
