"""A bounded number of threads, and of what waits for them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable


class Lane:
    """Does what it is given in order, `workers` at once, while at most `waiting` more wait.

    >>> lane = Lane("example", workers=1, waiting=0)
    >>> lane.reserve(), lane.reserve()
    (True, False)
    >>> lane.put(lambda: print("done"))
    done
    >>> lane.close()
    """

    def __init__(self, name: str, workers: int, waiting: int) -> None:
        self._name = name
        self._workers = workers
        self._places = threading.Semaphore(workers + waiting)
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0

    def reserve(self) -> bool:
        """Take a place, if one is free; it is given back by `release`, or after what is put has been done."""
        return self._places.acquire(blocking=False)

    def release(self) -> None:
        """Give a place back that nothing was put into."""
        self._places.release()

    def put(self, work: Callable[[], None]) -> None:
        """Have something done, for which a place was reserved."""
        self._work.put(work)
        with self._lock:
            if self._threads == self._workers:
                return
            self._threads += 1
            # What never ends must not keep the program from ending.
            threading.Thread(target=self._run, name=f"{self._name} {self._threads}", daemon=True).start()

    def close(self) -> None:
        """Let every thread end that has nothing to do; takes nothing more."""
        for _ in range(self._workers):
            self._work.put(None)

    def _run(self) -> None:
        while work := self._work.get():
            try:
                work()
            finally:
                self._places.release()
