"""Ctrl-C of a command that writes what there is before it ends."""

from __future__ import annotations

import signal
import threading


def stop_on_signals() -> threading.Event:
    """Give an event that Ctrl-C, SIGTERM or a closed terminal sets, once; what comes second ends the program."""
    stop = threading.Event()

    def end(number: int, _: object) -> None:
        stop.set()
        # Whoever asks twice will not wait for what there is to be written.
        signal.signal(number, signal.default_int_handler)

    # A terminal or a login that is closed ends the work too; under nohup it goes on.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)
    return stop
