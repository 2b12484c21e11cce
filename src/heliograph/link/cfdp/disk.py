"""Does what the engine wants done on the disk, in the order that it wants it, and tells how it went."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import BinaryIO

from heliograph.core import HeliographError
from heliograph.link.cfdp.action import Action, Commit, Discard, Save
from heliograph.link.cfdp.action import Digest as Wanted
from heliograph.link.cfdp.digest import Digest
from heliograph.link.cfdp.entity import Entity
from heliograph.link.cfdp.entry import Entry
from heliograph.link.cfdp.files import Source, Target
from heliograph.link.cfdp.journal import Journal
from heliograph.link.cfdp.transaction import Role, TransactionId

_log = logging.getLogger(__name__)

Answer = Callable[[Entity, int], None]
"""Tells the engine, at a time, how an action went."""


class Disk:
    """Saves, digests and names files. Its calls come from one thread."""

    def __init__(self, journal: Journal, sources: Callable[[str], Source], targets: Callable[[str], Target]) -> None:
        self._journal = journal
        self._sources = sources
        self._targets = targets
        self._waiting: deque[Action] = deque()
        self._files: dict[TransactionId, BinaryIO] = {}
        self._digests: dict[TransactionId, Digest] = {}
        self._wanted: dict[TransactionId, Wanted] = {}
        self.blocked = False
        """Whether the journal cannot be written; `do` tries again."""

    @property
    def digesting(self) -> bool:
        """Whether there is something for `digest` to do."""
        return bool(self._wanted)

    def do(self, actions: Iterable[Action]) -> list[Answer]:
        """Do all of these, those that are saved together with one commit."""
        self._waiting += actions
        answers: list[Answer] = []
        while self._waiting:
            if isinstance(self._waiting[0], Save):
                saves = [self._waiting.popleft()]
                while self._waiting and isinstance(self._waiting[0], Save):
                    saves.append(self._waiting.popleft())
                answers += self._save([save for save in saves if isinstance(save, Save)])
                if self.blocked:
                    break
            else:
                answers += self._do(self._waiting.popleft())
        return answers

    def digest(self) -> list[Answer]:
        """Take a piece of what is to be digested."""
        id, wanted = next(iter(self._wanted.items()))
        # In turn, so that a large file does not keep small ones waiting.
        del self._wanted[id]
        try:
            digest = self._digests.get(id)
            if digest is None:
                hashed = wanted.entry.role is Role.RECEIVING and wanted.entry.sha256 is not None
                digest = Digest(self._file(wanted.entry), wanted.entry.checksum, hashed=hashed)
                self._digests[id] = digest
            if digest.advance(wanted.end):
                self._wanted[id] = wanted
            elif wanted.whole:
                self._forget(id)
                return [partial(_digested, id, digest.checksum, digest.sha256)]
        except (OSError, HeliographError) as error:
            self._forget(id)
            return [partial(_failed, id, error)]
        return []

    def close(self) -> None:
        """Close the files."""
        for id in list(self._files):
            self._forget(id)

    def _save(self, saves: list[Save]) -> list[Answer]:
        answers: list[Answer] = []
        good: list[Save] = []
        synced: set[TransactionId] = set()
        for save in saves:
            id = save.entry.id
            try:
                if save.sync and id not in synced:
                    os.fdatasync(self._file(save.entry).fileno())
                    synced.add(id)
                good.append(save)
            except (OSError, HeliographError) as error:
                # After a failed sync the kernel may have dropped what was written.
                self._forget(id)
                answers.append(partial(_failed, id, error))
        if not good:
            return answers
        try:
            forgotten = self._journal.write([save.entry for save in good])
        except sqlite3.Error as error:
            if not self.blocked:
                _log.warning("the journal of transfers cannot be written, they wait: %s", error)
            self.blocked = True
            self._waiting.extendleft(reversed(good))
            return answers
        self.blocked = False
        for save in good:
            if save.entry.state.final:
                self._forget(save.entry.id)
            answers.append(partial(_saved, save.entry))
        return [*answers, *(partial(_forgotten, id) for id in forgotten)]

    def _do(self, action: Action) -> list[Answer]:
        match action:
            case Wanted():
                self._wanted[action.entry.id] = action
            case Commit():
                self._forget(action.entry.id)
                try:
                    self._targets(action.entry.name).commit()
                except (OSError, HeliographError) as error:
                    return [partial(_failed, action.entry.id, error)]
                return [partial(_committed, action.entry.id)]
            case Discard():
                self._forget(action.entry.id)
                with suppress(OSError, HeliographError):
                    self._targets(action.entry.name).discard()
        return []

    def _file(self, entry: Entry) -> BinaryIO:
        """Give a transfer's file, opened for this thread alone."""
        file = self._files.get(entry.id)
        if file is None:
            opened = self._sources if entry.role is Role.SENDING else self._targets
            file = self._files[entry.id] = opened(entry.name).open()
        return file

    def _forget(self, id: TransactionId) -> None:
        self._wanted.pop(id, None)
        self._digests.pop(id, None)
        file = self._files.pop(id, None)
        if file is not None:
            file.close()


def _saved(entry: Entry, entity: Entity, _now_ns: int) -> None:
    entity.saved(entry)


def _digested(id: TransactionId, checksum: int, sha256: bytes | None, entity: Entity, _now_ns: int) -> None:
    entity.digested(id, checksum, sha256)


def _committed(id: TransactionId, entity: Entity, _now_ns: int) -> None:
    entity.committed(id)


def _failed(id: TransactionId, error: Exception, entity: Entity, now_ns: int) -> None:
    entity.failed(id, error, now_ns)


def _forgotten(id: TransactionId, entity: Entity, _now_ns: int) -> None:
    entity.forget(id)
