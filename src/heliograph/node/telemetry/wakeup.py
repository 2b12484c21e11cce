"""How whoever measures calls the writer."""

from __future__ import annotations

import threading


class Wakeup:
    """Two calls to one thread: that there is something, and that it should not wait."""

    def __init__(self) -> None:
        self._stirred = threading.Event()
        self._hurried = threading.Event()

    def wake(self) -> None:
        """There is something, in a short while there will be more."""
        self._stirred.set()

    def hurry(self) -> None:
        """There is much."""
        self._stirred.set()
        self._hurried.set()

    def wait(self, timeout_s: float, pause_s: float) -> None:
        """Wait for something, for `timeout_s` at most, then for more, for `pause_s` at most."""
        self._stirred.wait(timeout_s)
        self._hurried.wait(pause_s)
        self._stirred.clear()
        self._hurried.clear()
