"""Callbacks: whoever does not want to wait for frames or events is called with them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any, Self

from heliograph.core.errors import FrameTimeoutError
from heliograph.core.frame import Frame

_log = logging.getLogger(__name__)


class Subscription:
    """A callback that is called until `close`, until it raises, or until acquisition is stopped.

    >>> subscription = camera.on_frame(print)                                   # doctest: +SKIP
    >>> subscription.close()                                                    # doctest: +SKIP
    """

    def __init__(self, callback: Callable[..., object], name: str) -> None:
        self.error: Exception | None = None
        """What ended it: the exception that the callback raised, or the error by which the camera was lost."""
        self._callback = callback
        self._name = name
        self._closed = threading.Event()

    @property
    def closed(self) -> bool:
        """True when the callback is not called any more."""
        return self._closed.is_set()

    def close(self) -> None:
        """Call it no more. A call that runs at this moment in another thread ends by itself."""
        self._closed.set()

    def deliver(self, *arguments: Any) -> None:
        """Call the callback; its exception ends this subscription, and nothing else."""
        if self.closed:
            return
        try:
            self._callback(*arguments)
        except Exception as error:
            _log.exception("%s: a callback failed and is not called any more", self._name)
            self.end(error)

    def end(self, error: Exception | None) -> None:
        """End it, with the reason."""
        self.error = error
        self._closed.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class FrameFeed:
    """Calls the subscriptions of one camera with its frames, in a thread that lives while there are any.

    `frames` begins to give frames; it may time out, and is called again then. The camera is left running.
    """

    def __init__(self, name: str, frames: Callable[[], Iterator[Frame]]) -> None:
        self._name = name
        self._frames = frames
        self._lock = threading.Lock()
        self._subscriptions: list[Subscription] = []
        self._thread: threading.Thread | None = None

    def subscribe(self, callback: Callable[[Frame], object]) -> Subscription:
        """Add a callback."""
        subscription = Subscription(callback, self._name)
        with self._lock:
            self._subscriptions.append(subscription)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"heliograph-frames-{self._name}", daemon=True)
                self._thread.start()
        return subscription

    def close(self) -> None:
        """End every subscription and wait for the call that runs."""
        with self._lock:
            thread = self._thread
            for subscription in self._subscriptions:
                subscription.close()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while self._wanted():
            error: Exception | None = None
            try:
                for frame in self._frames():
                    self._deliver(frame)
                    del frame  # or this thread would hold it while it waits for the next one
                    if not self._wanted():
                        return
            except FrameTimeoutError:
                continue  # a camera may wait for its trigger for as long as it likes
            except Exception as caught:
                _log.warning("%s: callbacks get no more frames: %s", self._name, caught)
                error = caught
            self._end(error)

    def _deliver(self, frame: Frame) -> None:
        for subscription in self._subscriptions:
            subscription.deliver(frame)

    def _wanted(self) -> bool:
        """Forget who has ended, and tell whether anybody is left; the thread ends when not."""
        with self._lock:
            self._subscriptions = [subscription for subscription in self._subscriptions if not subscription.closed]
            if not self._subscriptions:
                self._thread = None
            return bool(self._subscriptions)

    def _end(self, error: Exception | None) -> None:
        with self._lock:
            for subscription in self._subscriptions:
                subscription.end(error)
