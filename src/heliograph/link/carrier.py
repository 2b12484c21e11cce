"""The ground's side of files: agrees with a node on a transfer, sees it through, and takes it up again."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import msgspec

from heliograph.core import (
    CommandFailedError,
    CommandRefusedError,
    HeliographError,
    LinkLostError,
    NodeNotFoundError,
    OutputError,
    RemoteProtocolError,
    TransferError,
)
from heliograph.link.cfdp.transaction import Role, State, TransactionId, TransferStatus
from heliograph.link.cfdp.transfers import Transfers
from heliograph.link.command import Stage, StageReport
from heliograph.link.commander import Commander, outcome
from heliograph.link.digest import Digests
from heliograph.link.discovery import Node
from heliograph.link.entity import entity_of
from heliograph.link.filestore import RootedSource, RootedTarget, spoken
from heliograph.link.listing import FileEntry, Listing
from heliograph.link.paths import names_of
from heliograph.link.roots import Root
from heliograph.link.route import datagram_address

_TICK_S = 0.2
_SILENCE_S = 10.0
"""After so long without the other end the node is asked again: it may have restarted, or another may have cancelled."""
_ANSWER_S = 5.0
_FAREWELL_S = 2.0
_LAST_WORD_S = 15.0
"""For the node to hear that a file has arrived, which it would offer for ever otherwise; it may be restarting."""

T = TypeVar("T")
OnProgress = Callable[[TransferStatus], None]
Agree = Callable[[float | None], TransactionId | None]
"""Agrees with the node on a transfer, within so many seconds."""


class _Queued(msgspec.Struct, frozen=True):
    """What `files.downlink` gives."""

    transaction: str
    size_bytes: int
    sha256: str


class _Announced(msgspec.Struct, frozen=True):
    """What `files.uplink` gives; no transaction where the file is there already."""

    transaction: str


class Carrier:
    """Moves files between the folder `root` here and a node, one at a time; `entity` is that of `transfers`.

    To move the same file again after this program ended goes on where it was, as long as `transfers` has its folder.
    When `stop` is set a transfer is suspended at both ends, and its methods return.
    """

    def __init__(
        self,
        commander: Commander,
        node: Node,
        transfers: Transfers,
        root: Root,
        *,
        entity: int,
        user: str,
        stop: threading.Event,
    ) -> None:
        self._commander, self._node, self._transfers, self._root = commander, node, transfers, root
        self._entity = entity
        self._user = user
        self._stop = stop
        self._address = datagram_address(node)

    def uplink(
        self, local: str, remote: str, on_progress: OnProgress, *, priority: int = 0, replace: bool = False
    ) -> TransferStatus:
        """Send a file, and give its last state: completed, also when it is there already, or suspended when stopped.

        Raises `SettingError` for a path that cannot be, what `Root.open` raises, `CommandFailedError` with the node's
        reason when it does not take the file, `LinkLostError` when it cannot be asked, and `TransferError` when the
        transfer ended otherwise.
        """
        names_of(remote)
        with self._root.open(local) as stream:
            size_bytes = os.fstat(stream.fileno()).st_size
            sha256 = Digests().of(stream, self._stop)
        source = RootedSource(self._root, local, sha256)
        under_way = self._under_way(source, remote)
        transaction = under_way or self._begun(source, remote, priority)
        announcement = {
            "destination": remote,
            "size_bytes": size_bytes,
            "sha256": sha256.hex(),
            "transaction": str(transaction),
            "replace": replace,
            "priority": priority,
        }
        announce = partial(self._announce, transaction, announcement)
        try:
            agreed = announce(None)
        except CommandRefusedError:
            # One that was agreed on before is on board still, and goes on when the node can be told.
            if under_way is None:
                self._forget(transaction)
            raise
        if agreed is None:
            self._forget(transaction)
            return _there(Role.SENDING, size_bytes)
        return self._see_through(transaction, announce, on_progress)

    def downlink(
        self, remote: str, local: str, on_progress: OnProgress, *, priority: int = 0, replace: bool = False
    ) -> TransferStatus:
        """Fetch a file, and give its last state: completed, or suspended when stopped; raises as `uplink` does."""
        try:
            return self._fetched(remote, local, on_progress, priority, replace)
        finally:
            self._say_last_word()

    def _fetched(
        self, remote: str, local: str, on_progress: OnProgress, priority: int, replace: bool
    ) -> TransferStatus:
        names_of(remote)
        if self._root.look(local) and not replace:
            return self._compared(remote, local)
        ask_for = partial(self._ask_for, remote, local, priority, replace)
        status = self._see_through(ask_for(None), ask_for, on_progress)
        if status.state is State.COMPLETED and self._root.look(local) is None:
            # It had arrived before, which the node hears only now.
            raise TransferError(f"{local} had arrived and was moved away since: fetch it again")
        return status

    def _announce(
        self, transaction: TransactionId, announcement: dict[str, Any], timeout_s: float | None
    ) -> TransactionId | None:
        """Have the node expect an uplink; None when it has this very file already."""
        try:
            announced = _converted(self._command("files.uplink", announcement, timeout_s), _Announced)
        except CommandFailedError:
            # It is over for the node, or never began.
            self._forget(transaction)
            raise
        if not announced.transaction:
            return None
        self._go_on(transaction)
        return transaction

    def _ask_for(self, remote: str, local: str, priority: int, replace: bool, timeout_s: float | None) -> TransactionId:
        """Have the node send a file, and expect it."""
        asked = {"path": remote, "priority": priority, "entity": self._entity}
        queued = _converted(self._command("files.downlink", asked, timeout_s), _Queued)
        return self._expecting(queued, local, priority, replace)

    def _compared(self, remote: str, local: str) -> TransferStatus:
        """Give the end of a downlink whose file is here already: good if it is the same, else raises `OutputError`."""
        listing = _converted(self._command("files.list", {"path": remote, "hashes": True}, None), Listing)
        with self._root.open(local) as stream:
            sha256 = Digests().of(stream, self._stop)
            size_bytes = os.fstat(stream.fileno()).st_size
        if sha256.hex() not in (entry.sha256 for entry in listing.entries[:1]):
            raise OutputError(f"{local} is there already, and is another file: delete it, or use --replace")
        return _there(Role.RECEIVING, size_bytes)

    def _under_way(self, source: RootedSource, remote: str) -> TransactionId | None:
        """Give the transfer of this file that was begun and did not end."""
        peer = entity_of(self._node.key)
        for status in self._transfers.statuses():
            same = (status.name, status.destination, status.peer) == (source.name, spoken(remote), peer)
            if same and status.role is Role.SENDING and not status.state.final:
                return status.id
        return None

    def _begun(self, source: RootedSource, remote: str, priority: int) -> TransactionId:
        """Give a new transfer; it is remembered here before the node hears of it, and waits until that agrees."""
        return self._transfers.send(
            source,
            spoken(remote),
            peer=entity_of(self._node.key),
            peer_address=self._address,
            priority=priority,
            sha256=source.sha256,
        )

    def _expecting(self, queued: _Queued, local: str, priority: int, replace: bool) -> TransactionId:
        transaction = TransactionId.parse(queued.transaction)
        if transaction in (status.id for status in self._transfers.statuses()):
            self._go_on(transaction)
            return transaction
        arrived, free_bytes = self._arrived(local, replace), self._root.free_bytes()
        self._transfers.expect(
            transaction,
            RootedTarget(self._root, local, str(transaction), replace),
            size_bytes=queued.size_bytes,
            sha256=bytes.fromhex(queued.sha256),
            priority=priority,
            peer_address=self._address,
        )
        if arrived is None and queued.size_bytes <= free_bytes:
            return transaction
        # As a transfer, so that the node hears of it over any outage.
        with suppress(TransferError):
            self._transfers.cancel(transaction)
        if arrived is None:
            raise OutputError(f"no room for {queued.size_bytes} bytes: {free_bytes} are free here")
        return arrived

    def _arrived(self, local: str, replace: bool) -> TransactionId | None:
        """Give what came to its end while the node was asked; what else was on its way to this place is ended.

        That is what the file on board was before, or what the node has forgotten.
        """
        for status in self._transfers.statuses():
            if status.role is not Role.RECEIVING or RootedTarget.named(self._root, status.name).path != local:
                continue
            if not status.state.final:
                self._forget(status.id)
            ended = self._transfers.wait(status.id, _ANSWER_S)
            if ended.state is State.COMPLETED and not replace and self._root.look(local):
                return status.id
        return None

    def _forget(self, transaction: TransactionId) -> None:
        # It may be over by now.
        with suppress(TransferError):
            self._transfers.abandon(transaction)

    def _go_on(self, transaction: TransactionId) -> None:
        if self._transfers.status(transaction).state is State.SUSPENDED:
            self._transfers.resume(transaction)

    def _see_through(self, transaction: TransactionId, agree: Agree, on_progress: OnProgress) -> TransferStatus:
        """Follow a transfer to its end; after a silence it is agreed on with the node anew."""
        heard_s = time.monotonic()
        while True:
            status = self._transfers.wait(transaction, _TICK_S)
            on_progress(status)
            if status.state is State.COMPLETED:
                return status
            if status.state.final:
                raise TransferError(f"the transfer was {status.state.value}: {status.reason or 'no reason was given'}")
            if self._stop.is_set():
                return self._suspended(transaction)
            if status.state not in (State.WAITING, State.LINK_DOWN):
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > _SILENCE_S:
                with suppress(LinkLostError, NodeNotFoundError):
                    transaction = agree(_ANSWER_S) or transaction
                heard_s = time.monotonic()

    def _say_last_word(self) -> None:
        until_s = time.monotonic() + _LAST_WORD_S
        while any(each.state.final and not each.closed for each in self._transfers.statuses()):
            if time.monotonic() > until_s or self._stop.wait(_TICK_S):
                break

    def _suspended(self, transaction: TransactionId) -> TransferStatus:
        self._transfers.suspend(transaction)
        self._tell("files.suspend", transaction)
        return self._transfers.status(transaction)

    def _tell(self, name: str, transaction: TransactionId) -> None:
        """Send a command that the node may miss: it finds out by itself that nobody answers."""
        with suppress(HeliographError):
            self._commander.send(
                self._node, name, {"transaction": str(transaction)}, user=self._user, timeout_s=_FAREWELL_S
            )

    def _command(self, name: str, arguments: dict[str, Any], timeout_s: float | None) -> Any:
        """Send a command and give its result; raises `TransferError` when stopped, however long the node takes."""
        answer: Future[StageReport] = Future()

        def send() -> None:
            try:
                report = self._commander.send(self._node, name, arguments, user=self._user, timeout_s=timeout_s)
                answer.set_result(report)
            except Exception as error:
                answer.set_exception(error)

        threading.Thread(target=send, name=name, daemon=True).start()
        while not wait([answer], _TICK_S).done:
            if self._stop.is_set():
                raise TransferError(f"stopped before {self._node.name} had agreed")
        report = answer.result()
        if not report.stage.final or report.stage is Stage.INTERRUPTED:
            raise LinkLostError(f"{self._node.name} did not finish {name} in time: try again when the link is back")
        return outcome(report)


def files_of(
    commander: Commander, node: Node, path: str, *, user: str, recursive: bool = False, hashes: bool = False
) -> Iterator[FileEntry]:
    """Give the files below a folder of a node, or the one file, page by page.

    Raises `SettingError` for a path that cannot be, and as `Commander.send` does.
    """
    names_of(path)
    after, more = "", True
    while more:
        arguments = {"path": path, "recursive": recursive, "hashes": hashes, "after": after}
        given = outcome(commander.send(node, "files.list", arguments, user=user))
        page = _converted(given, Listing)
        yield from page.entries
        # A page that is empty, or no further than the one before, would be asked for again and again.
        more = page.more and bool(page.entries) and page.entries[-1].path != after
        after = page.entries[-1].path if page.entries else after


def _there(role: Role, size_bytes: int) -> TransferStatus:
    """Give the end of what need not travel."""
    no_transaction = TransactionId(0, 0)
    return TransferStatus(
        no_transaction, role, State.COMPLETED, size_bytes, size_bytes, 0, reason="it is there already"
    )


def _converted(given: Any, kind: type[T]) -> T:
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise RemoteProtocolError(f"the node's answer was not understood ({error})") from error
