"""One module for each kind of camera, and the registry that finds it by URL scheme."""

from heliograph.cameras.asynchronous import AsyncCamera, open_async
from heliograph.cameras.registry import SCHEMES, open
from heliograph.cameras.url import CameraUrl
from heliograph.gige.client.action import fire_action
from heliograph.gige.client.discovery import DiscoveredCamera, discover

__all__ = ["SCHEMES", "AsyncCamera", "CameraUrl", "DiscoveredCamera", "discover", "fire_action", "open", "open_async"]
