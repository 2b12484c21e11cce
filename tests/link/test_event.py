"""Severities rise."""

from __future__ import annotations

from heliograph.link.event import Severity


def test_severities_rise_from_diagnostic_to_fatal() -> None:
    assert sorted(Severity, key=lambda each: each.rank) == [
        Severity.DIAGNOSTIC,
        Severity.ACTIVITY,
        Severity.COMMAND,
        Severity.WARNING,
        Severity.ALARM,
        Severity.FATAL,
    ]
