"""One module for each kind of camera, and the registry that finds it by URL scheme."""

from heliograph.cameras.registry import SCHEMES, open
from heliograph.cameras.url import CameraUrl
from heliograph.gige.client.discovery import DiscoveredCamera, discover

__all__ = ["SCHEMES", "CameraUrl", "DiscoveredCamera", "discover", "open"]
