"""What the ground keeps of telemetry and events: one row for each, however often it came."""

from heliograph.link.archive.contract import Archive, Gap
from heliograph.link.archive.sqlite import SqliteArchive

__all__ = ["Archive", "Gap", "SqliteArchive"]
