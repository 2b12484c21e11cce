"""The two threads of file transfers: one for the socket and the engine, one for what the disk takes its time over."""

from __future__ import annotations

import logging
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

from heliograph.core import RemoteProtocolError, TransferError
from heliograph.link.cfdp.action import Action, Changed
from heliograph.link.cfdp.disk import Disk
from heliograph.link.cfdp.entity import Entity
from heliograph.link.cfdp.transaction import TransferStatus

_log = logging.getLogger(__name__)

T = TypeVar("T")

_DATAGRAM_BYTES = 1 << 16
# Datagrams that are read before anything is answered.
_MOST_READ = 64
_BLOCKED_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0


def boot_time_ns() -> int:
    """Give CLOCK_BOOTTIME, which never steps and counts sleep."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Runner:
    """Runs an engine until it is stopped. Its calls may come from any thread."""

    def __init__(
        self, bound: socket.socket, entity: Entity, disk: Disk, tell: Callable[[TransferStatus], None]
    ) -> None:
        self._socket = bound
        self._entity = entity
        self._disk = disk
        self._tell = tell
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._calls: deque[Callable[[], None]] = deque()
        self._actions: deque[Action | Callable[[], None]] = deque()
        self._work = threading.Condition()
        self._ended = threading.Event()
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._run_engine, name="heliograph-files", daemon=True),
            threading.Thread(target=self._run_disk, name="heliograph-files-disk", daemon=True),
        ]

    @property
    def running(self) -> bool:
        """Whether it was started and has not stopped."""
        return self._threads[0].is_alive()

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both threads, the disk's after what it was given; once."""
        if self._stopping:
            return
        self._stopping = True
        for thread, wake in zip(self._threads, (self._wake_engine, self._wake_disk), strict=True):
            if thread.is_alive():
                wake()
                thread.join()
        os.close(self._wake)

    def call(self, function: Callable[[], T]) -> T:
        """Run a function in the thread of the engine and give its result. Raises `TransferError` when it has ended."""
        return self._wait(function, self._calls.append, self._wake_engine)

    def call_disk(self, function: Callable[[], T]) -> T:
        """Run a function in the thread of the disk, after what it was given before."""
        return self._wait(function, self._actions.append, self._wake_disk)

    def _wait(
        self, function: Callable[[], T], append: Callable[[Callable[[], None]], None], wake: Callable[[], None]
    ) -> T:
        if not self.running:
            raise TransferError("file transfers are not running: start them first")
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)

        append(run)
        wake()
        while not future.done() and not self._ended.is_set():
            with suppress(TimeoutError):
                return future.result(0.1)
        if not future.done():
            raise TransferError("file transfers have ended: start them again")
        return future.result()

    def _wake_engine(self) -> None:
        os.eventfd_write(self._wake, 1)

    def _wake_disk(self) -> None:
        with self._work:
            self._work.notify()

    def _run_engine(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        buffer = memoryview(bytearray(_DATAGRAM_BYTES))
        try:
            while not self._stopping:
                now_ns = boot_time_ns()
                self._read(buffer, now_ns)
                while self._calls:
                    self._calls.popleft()()
                self._write(now_ns)
                self._pass_on()
                wait_ns = self._entity.next_timer_ns(now_ns) - boot_time_ns()
                wait_s = min(max(wait_ns / 1e9, 0.0), _LONGEST_WAIT_S)
                if any(fd == self._wake for fd, _ in poll.poll(wait_s * 1e3)):
                    os.eventfd_read(self._wake)
        except Exception:
            _log.exception("file transfers ended by a defect; what is under way goes on at the next start")
        finally:
            self._ended.set()

    def _read(self, buffer: memoryview, now_ns: int) -> None:
        for _ in range(_MOST_READ):
            try:
                size_bytes, address = self._socket.recvfrom_into(buffer, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError as error:
                _log.debug("file transfers: %s", error)
                return
            try:
                self._entity.receive_datagram(buffer[:size_bytes], address[:2], now_ns)
            except RemoteProtocolError as error:
                _log.debug("file transfers, from %s port %d: %s", *address[:2], error)

    def _write(self, now_ns: int) -> None:
        for datagram, address in self._entity.datagrams_to_send(now_ns):
            # No route is like a loss: it is sent again.
            with suppress(OSError):
                self._socket.sendto(datagram, address)

    def _pass_on(self) -> None:
        """Hand what is to be done to the disk's thread, and changes to who wants to know."""
        actions = self._entity.take_actions()
        if not actions:
            return
        for action in actions:
            if isinstance(action, Changed):
                self._tell_of(action)
            else:
                self._actions.append(action)
        self._wake_disk()

    def _tell_of(self, changed: Changed) -> None:
        if self._entity.entry(changed.id) is None:
            return  # forgotten meanwhile
        try:
            self._tell(self._entity.status(changed.id))
        except Exception:
            _log.exception("whoever wants to know of transfers failed to hear of %s", changed.id)

    def _run_disk(self) -> None:
        while True:
            with self._work:
                self._work.wait_for(lambda: self._actions or self._disk.digesting or self._stopping, _BLOCKED_WAIT_S)
            if self._stopping and not self._actions:
                break
            if self._disk.blocked:
                time.sleep(_BLOCKED_WAIT_S)
            self._do_disk()
        self._disk.close()

    def _do_disk(self) -> None:
        actions: list[Action] = []
        while self._actions and not callable(self._actions[0]):
            actions.append(self._actions.popleft())  # type: ignore[arg-type]
        answers = self._disk.do(actions)
        if not actions and self._actions:
            self._actions.popleft()()  # type: ignore[operator]
        elif not actions and self._disk.digesting:
            answers += self._disk.digest()
        for answer in answers:
            self._calls.append(lambda answer=answer: answer(self._entity, boot_time_ns()))  # type: ignore[misc]
        if answers:
            self._wake_engine()
