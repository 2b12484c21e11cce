"""The progress bar of a series."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from heliograph.cli.terminal import shown

if TYPE_CHECKING:
    from heliograph.payload import Progress


@contextmanager
def progress_bar(asked: int) -> Iterator[Callable[[Progress], None]]:
    """Show a bar with rate, time left and the best picture so far on stderr; gives what a series reports to."""
    with count_bar(asked) as show:
        yield lambda progress: show(progress.taken, progress.notice or _best(progress), asked)


@contextmanager
def count_bar(asked: int | None = None) -> Iterator[Callable[[int, str, int | None], None]]:
    """Show a bar with rate and time left on stderr; gives what is told how many are done, a note, and how many in all.

    `asked` is how many in all, where that is known before.
    """
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
        # A note may tell names of the network, in which [brackets] are no style.
        TextColumn("{task.description}", markup=False),
    )
    bar = Bar(*columns, console=Console(stderr=True))
    task = bar.add_task("", total=asked)

    def report(done: int, note: str, total: int | None) -> None:
        # Not before there is something to tell: a mistake in an option is one line and no bar.
        bar.start()
        bar.update(task, completed=done, description=shown(note), total=total)

    try:
        yield report
    finally:
        if bar.live.is_started:
            bar.stop()


def _best(progress: Progress) -> str:
    from heliograph.payload import picture_number

    leader = progress.leader
    return f"best {picture_number(leader.number, progress.asked)}: {leader.score.value:g}" if leader else ""


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "")
