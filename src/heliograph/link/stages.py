"""The stages of one command, each once and in order, whatever the link did to them."""

from __future__ import annotations

from collections.abc import Iterable

from heliograph.link.command import StageReport


class StageOrder:
    """Puts reports in order: those that come as they happen, and those that the node's journal has.

    >>> from heliograph.link.command import Stage
    >>> first, second = (StageReport(command="1", number=each, stage=Stage.STARTED, boot_time_ns=0, wall_time_ns=0)
    ...                  for each in (1, 2))
    >>> order = StageOrder()
    >>> order.take(second), order.gap, [each.number for each in order.take(first)]
    ([], True, [1, 2])
    """

    def __init__(self) -> None:
        self.last: StageReport | None = None
        """The newest that was given."""
        self._held: dict[int, StageReport] = {}

    @property
    def gap(self) -> bool:
        """Whether one is missing before one that came: it was lost, or is late."""
        return bool(self._held)

    def take(self, report: StageReport) -> list[StageReport]:
        """Take one as it happened; gives what is in order by now."""
        if self.last is None or report.number > self.last.number:
            self._held[report.number] = report
        return self._in_order()

    def settle(self, reports: Iterable[StageReport]) -> list[StageReport]:
        """Take what the journal has, which is all there is up to its newest: progress between may be gone for good."""
        kept = sorted(reports, key=lambda each: each.number)
        if not kept:
            return []
        known = self._held | {each.number: each for each in kept}
        self._held = {}
        given = [known[number] for number in sorted(known) if number <= kept[-1].number]
        given = [each for each in given if self.last is None or each.number > self.last.number]
        if given:
            self.last = given[-1]
        self._held = {number: each for number, each in known.items() if self.last and number > self.last.number}
        return given + self._in_order()

    def _in_order(self) -> list[StageReport]:
        given = []
        while (number := self.last.number + 1 if self.last else 1) in self._held:
            self.last = self._held.pop(number)
            given.append(self.last)
        return given
