"""A ground that collects until it is killed: `python -m heliograph.testing.collecting ENDPOINT ARCHIVE KEY`."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from heliograph.link.archive import SqliteArchive
from heliograph.link.collector import Collector
from heliograph.link.keys import PrivateKey
from heliograph.link.settings import LinkSettings
from heliograph.link.zenoh import open_bus


def main(endpoint: str, archive: str, key: str) -> None:
    """Collect everything that is said at an endpoint."""
    bus = open_bus(LinkSettings(mode="router", listen=(), connect=(endpoint,)))
    with SqliteArchive(Path(archive)) as opened, Collector(bus, opened, PrivateKey.read(Path(key))):
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
