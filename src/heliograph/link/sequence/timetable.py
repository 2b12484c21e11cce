"""What will run when: a sequence run through in simulated time, by the code that runs it on board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from heliograph.link.sequence.language import Step
from heliograph.link.sequence.run import GRACE_NS, Miss, Moment, OnFailure, SequenceRun, Start, Wait
from heliograph.link.sequence.when import After, At, shown_delay, shown_wall


@dataclass(frozen=True, slots=True)
class Row:
    """One step of a timetable."""

    step: Step
    wall_ns: int
    """When it begins; the earliest time of that where `exact` is not true."""
    exact: bool
    problem: str = ""
    """Why it will not run; empty when it will."""
    spare_ns: int | None = None
    """Of a step at a time of UTC: how long those before it may take altogether; None where that is known."""

    @property
    def when(self) -> str:
        """When it begins, in words."""
        if self.exact or self.problem:
            return shown_wall(self.wall_ns)
        when = self.step.when
        delay = f" + {shown_delay(when.delay_ns)}" if isinstance(when, After) and when.delay_ns else ""
        return f"after completion of step {self.step.number - 1}{delay} (not before {shown_wall(self.wall_ns)})"


def timetable(
    steps: tuple[Step, ...],
    start_wall_ns: int,
    durations_ns: Mapping[str, int] | None = None,
    *,
    on_failure: OnFailure = OnFailure.STOP,
    grace_ns: int = GRACE_NS,
) -> list[Row]:
    r"""Give what will run when, if started at this time; commands whose duration is not given may take any time.

    >>> from heliograph.link.sequence.language import parse
    >>> steps, _ = parse("R00:00:01 node.ping\nR00:00:05 node.ping")
    >>> [row.when for row in timetable(steps, 0)]
    ['1970-01-01T00:00:01.000Z', 'after completion of step 1 + 00:00:05 (not before 1970-01-01T00:00:06.000Z)']
    """
    known = durations_ns or {}
    now = Moment(boot_ns=0, wall_ns=start_wall_ns)
    run = SequenceRun(steps, now, on_failure=on_failure, grace_ns=grace_ns)
    rows: list[Row] = []
    ready_ns, exact = start_wall_ns, True
    while (action := run.next(now)) is not None:
        match action:
            case Wait(remaining_ns):
                now = _later(now, remaining_ns)
            case Miss(step, reason):
                rows.append(Row(step, now.wall_ns, exact, problem=f"not run: {reason}"))
            case Start(step):
                waited = isinstance(step.when, At) and step.when.wall_ns > ready_ns
                rows.append(
                    Row(
                        step,
                        now.wall_ns,
                        exact or waited,
                        spare_ns=now.wall_ns - ready_ns if waited and not exact else None,
                    )
                )
                exact = (exact or waited) and step.name in known
                now = _later(now, known.get(step.name, 0))
                ready_ns = now.wall_ns
                run.ended(now)
    rows += [Row(step, now.wall_ns, exact, problem="not reached") for step in steps[len(rows) :]]
    return rows


def _later(now: Moment, by_ns: int) -> Moment:
    return replace(now, boot_ns=now.boot_ns + by_ns, wall_ns=now.wall_ns + by_ns)
