"""What was lost before it came to the disk, as few ranges as possible."""

from __future__ import annotations

from heliograph.link.telemetry import Range


def with_loss(losses: list[Range], loss: Range) -> list[Range]:
    """Give losses and one more, which touches none of them except at its ends.

    >>> with_loss([Range("b", "health", 1, 4)], Range("b", "health", 5, 2))
    [Range(boot='b', stream='health', first=1, count=6)]
    """
    first, end = loss.first, loss.first + loss.count
    others = []
    for each in losses:
        same = (each.boot, each.stream) == (loss.boot, loss.stream)
        if same and each.first + each.count == first:
            first = each.first
        elif same and each.first == end:
            end = each.first + each.count
        else:
            others.append(each)
    return [*others, Range(loss.boot, loss.stream, first, end - first)]
