"""Changes of a database that come at the same time share one commit, and so one fsync."""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from heliograph.core import OutputError
from heliograph.link.database import Database

logger = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
_Waiting = tuple[Work[Any], "Future[Any]"]


class Writer:
    """Does pieces of work on a database in a thread of its own; what waits meanwhile is done in one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"writer of {database.path.name}", daemon=True)
        self._thread.start()

    def do(self, work: Work[T]) -> T:
        """Have work done, and wait until what it changed is committed with an fsync.

        An error that the work raises is raised here and undoes what it changed, nothing else. Raises `OutputError`
        when nothing could be committed.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise OutputError(f"{self._database.path} is closed: the node is ending")
            self._waiting.put((work, future))
        return future.result()

    def close(self) -> None:
        """Do what waits, then end."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        ending = False
        while not ending:
            batch = [self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get())
            ending = batch[-1] is None
            self._commit([each for each in batch if each is not None])

    def _commit(self, batch: list[_Waiting]) -> None:
        try:
            with self._database.transaction() as connection:
                ends = [_done(connection, work, future) for work, future in batch]
        except Exception as error:
            # Whatever it is, nobody waits for ever, and the next batch is tried.
            if not isinstance(error, OutputError):
                logger.exception("%s cannot be written", self._database.path)
            for _, future in batch:
                future.set_exception(OutputError(str(error)))
            return
        for end in ends:
            end()


def _done(connection: sqlite3.Connection, work: Work[Any], future: Future[Any]) -> Callable[[], None]:
    """Do one piece of work; gives what tells its outcome, for when it is committed."""
    connection.execute("SAVEPOINT work")
    try:
        result = work(connection)
    except sqlite3.Error:
        raise
    except Exception as error:
        raised = error
        connection.execute("ROLLBACK TO work")
        return lambda: future.set_exception(raised)
    connection.execute("RELEASE work")
    return lambda: future.set_result(result)
