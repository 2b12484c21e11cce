"""Whether a node that somebody follows is there, as it is told."""

from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from rich.live import Live

from heliograph.cli.presence import tell_presence
from heliograph.link.bus import PresenceHandler


class Watched:
    """A bus of which only the watching of presence is needed."""

    def __init__(self) -> None:
        self.key = ""
        self._handler: PresenceHandler

    def watch_presence(self, key: str, handler: PresenceHandler) -> None:
        """Give nothing to close: nobody does."""
        self.key, self._handler = key, handler

    def change(self, there: bool) -> None:
        self._handler(self.key, there)


def watched(backs: list[bool]) -> Watched:
    bus: Any = Watched()
    node: Any = SimpleNamespace(id="ab" * 8, name="cam-\x1b1")
    tell_presence(bus, node, lambda: backs.append(True))
    assert isinstance(bus, Watched)
    return bus


def test_going_and_coming_back_are_told_once_each(capsys: pytest.CaptureFixture[str]) -> None:
    backs: list[bool] = []
    bus = watched(backs)
    assert bus.key == "heliograph/abababababababab/alive"
    bus.change(True)
    assert capsys.readouterr().err == ""
    for there in (False, False, True, True):
        bus.change(there)
    gone, back = capsys.readouterr().err.splitlines()
    assert gone.startswith("heliograph: cam-\ufffd1 is gone")
    assert back == "heliograph: cam-\ufffd1 is back"
    assert len(backs) == 3


def test_it_is_told_above_a_table_that_is_redrawn(capsys: pytest.CaptureFixture[str]) -> None:
    bus, screen = watched([]), StringIO()
    with Live("table", console=Console(file=screen, force_terminal=True), auto_refresh=False):
        bus.change(False)
    assert "is gone" in screen.getvalue()
    assert capsys.readouterr().err == ""
