"""Telemetry and events on board: taken from sources, spooled until an archive has them, and answered for."""

from heliograph.node.telemetry.telemetry import Telemetry

__all__ = ["Telemetry"]
