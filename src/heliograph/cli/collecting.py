"""How a calibration collects its views, for people at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from heliograph.desk.calibration import ENOUGH_SHARE, ENOUGH_TILT_DEGREES, Collector, Verdict

if TYPE_CHECKING:
    from heliograph.desk.coverage import Coverage

_BAR = 16
_SHADES = "·░▒▓█"
# A cell in which so many corners were seen is as dark as it gets.
_FULL = 24


@contextmanager
def collecting(collector: Collector, views: int) -> Iterator[Callable[[Verdict], None]]:
    """Give a function to call with what became of each picture; a pipe gets a line for each view that is kept."""
    console = Console(file=sys.stderr, highlight=False, markup=False)
    if not console.is_terminal:
        yield lambda verdict: _line(console, collector, views, verdict)
        return
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        yield lambda verdict: live.update(_panel(collector, views, verdict))


def _line(console: Console, collector: Collector, views: int, verdict: Verdict) -> None:
    if verdict is Verdict.KEPT and collector.coverage is not None:
        console.print(f"view {len(collector.views)} of {views}: {_summary(collector.coverage)}")


def _summary(coverage: Coverage) -> str:
    return f"{coverage.share:.0%} of the picture seen, tilted up to {coverage.tilt_degrees:.0f} degrees"


def _panel(collector: Collector, views: int, verdict: Verdict) -> Group:
    coverage = collector.coverage
    if coverage is None:
        return Group(Text(verdict.value))
    lines = [
        _bar("views", len(collector.views) / views, f"{len(collector.views)} of {views}"),
        _bar("picture seen", coverage.share / ENOUGH_SHARE, f"{coverage.share:.0%} of at least {ENOUGH_SHARE:.0%}"),
        _bar(
            "tilt",
            coverage.tilt_degrees / ENOUGH_TILT_DEGREES,
            f"{coverage.tilt_degrees:.0f} of at least {ENOUGH_TILT_DEGREES:.0f} degrees",
        ),
        *_map(coverage),
        Text(_advice(coverage, verdict), style="bold green" if verdict is Verdict.KEPT else "bold yellow"),
        Text("Ctrl-C calibrates with what there is", style="dim"),
    ]
    return Group(*lines)


def _bar(name: str, share: float, told: str) -> Text:
    filled = round(_BAR * min(1.0, share))
    return Text.assemble(
        f"{name:<13}", ("━" * filled, "green" if share >= 1 else "yellow"), ("━" * (_BAR - filled), "dim"), f"  {told}"
    )


def _map(coverage: Coverage) -> list[Text]:
    """Draw the picture's cells, the darker the more corners were seen there."""
    shades = [
        [_SHADES[min(len(_SHADES) - 1, -(-count * 4 // _FULL))] for count in row] for row in coverage.cells.tolist()
    ]
    return [Text(" " * 13 + "".join(shade * 2 for shade in row), style="cyan") for row in shades]


def _advice(coverage: Coverage, verdict: Verdict) -> str:
    if verdict is not Verdict.KNOWN:
        return verdict.value
    if coverage.tilt_degrees < ENOUGH_TILT_DEGREES:
        return "tilt the board more, to each side"
    return f"move the board towards the {coverage.emptiest} of the picture"
