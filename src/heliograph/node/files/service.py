"""Runs the transfers of a node, and what it can be told about its files."""

from __future__ import annotations

import os
import re
import stat
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Self

import msgspec

from heliograph.core import CommandRefusedError, OutputError, SettingError, TransferError
from heliograph.link.cfdp.transaction import Role, State, TransactionId, TransferStatus
from heliograph.link.cfdp.transfers import Transfers
from heliograph.link.digest import Digests
from heliograph.link.entity import entity_of
from heliograph.link.filestore import RootedSource, RootedTarget, spoken
from heliograph.link.keys import PublicKey
from heliograph.link.listing import ListingRequest, list_files
from heliograph.link.paths import names_of
from heliograph.link.roots import Root
from heliograph.node.call import Call, Command
from heliograph.node.files import definitions
from heliograph.node.files.report import Reporter, path_of
from heliograph.node.outlet import Emit

PORT = 7448
"""Where datagrams are taken unless told otherwise: known again after a restart."""
_MOST = 100
"""Transfers under way: each has a part on the disk or a file to be read."""
_LIST_BYTES = 48_000
"""Of transfers that are listed: a command's result is bounded."""


class FileService:
    """The files below a root: `commands` are what the node can be told about them.

    Transfers under way are kept in `folder`, and go on after a restart. `archive` gives the key that downlinks are for
    which no ground asked for, as a sequence does. Raises what `Transfers` raises.
    """

    def __init__(
        self,
        folder: Path,
        root: Root,
        *,
        key: PublicKey,
        emit: Emit,
        archive: Callable[[], PublicKey | None],
        listen: tuple[str, int] = ("127.0.0.1", PORT),
        rate_bps: float | None = None,
        datagram_bytes: int | None = None,
    ) -> None:
        self._root = root
        self._archive = archive
        self._digests = Digests()
        self._lock = threading.Lock()
        self._transfers = Transfers(
            folder,
            entity=entity_of(key),
            listen=listen,
            rate_bps=rate_bps,
            datagram_bytes=datagram_bytes,
            on_event=Reporter(emit).told,
            sources=partial(RootedSource.named, root),
            targets=partial(RootedTarget.named, root),
        )

    def __enter__(self) -> Self:
        self._transfers.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._transfers.close()

    @property
    def address(self) -> str:
        """Where datagrams are taken; `Hello.files` tells it unless the ground reaches it elsewhere."""
        host, port = self._transfers.address
        return f"{host}:{port}"

    @property
    def commands(self) -> list[Command]:
        """What the node can be told about its files."""
        transfers = self._transfers
        return [
            Command(definitions.LIST, self._list),
            Command(definitions.DELETE, self._delete),
            Command(definitions.DOWNLINK, self._downlink),
            Command(definitions.SEND_FILE, self._send_file),
            Command(definitions.UPLINK, self._uplink),
            Command(definitions.TRANSFERS, self._list_transfers, prompt=True),
            self._about("files.suspend", "Hold a transfer until it is resumed.", transfers.suspend),
            self._about("files.resume", "Let a transfer go on.", transfers.resume),
            self._about("files.cancel", "End a transfer at both ends.", transfers.cancel),
            self._about("files.abandon", "End a transfer here, without a word to the ground.", transfers.abandon),
        ]

    def _about(self, name: str, description: str, act: Callable[[TransactionId], None]) -> Command:
        def run(call: Call) -> Any:
            transaction = TransactionId.parse(call.arguments["transaction"])
            act(transaction)
            return _row(self._transfers.status(transaction))

        return Command(definitions.of_transfer(name, description), run, prompt=True)

    def _list(self, call: Call) -> Any:
        request = msgspec.convert(dict(call.arguments), ListingRequest)
        return msgspec.to_builtins(list_files(self._root, request, self._digests, call.cancelled))

    def _delete(self, call: Call) -> Any:
        self._root.delete(call.arguments["path"])
        return {"path": call.arguments["path"]}

    def _downlink(self, call: Call) -> Any:
        path, entity = call.arguments["path"], call.arguments["entity"]
        peer = self._peer(call) if entity is None else entity
        return self._queue(call, path, spoken(path), peer, call.arguments["priority"])

    def _send_file(self, call: Call) -> Any:
        path = call.arguments["sourceFileName"].lstrip("/")
        return self._queue(call, path, call.arguments["destFileName"] or spoken(path), self._peer(call), 0)

    def _queue(self, call: Call, path: str, destination: str, peer: int, priority: int) -> Any:
        with self._root.open(path) as stream:
            size_bytes = os.fstat(stream.fileno()).st_size
            sha256 = self._digests.of(stream, call.cancelled)
        source = RootedSource(self._root, "/".join(names_of(path)), sha256)
        with self._lock:
            transaction = self._under_way(source, peer)
            if transaction is None:
                self._check_count()
                transaction = self._transfers.send(source, destination, peer=peer, priority=priority, sha256=sha256)
        return {"transaction": str(transaction), "size_bytes": size_bytes, "sha256": sha256.hex()}

    def _peer(self, call: Call) -> int:
        if call.key:
            return entity_of(PublicKey.parse(call.key))
        archive = self._archive()
        if archive is None:
            raise CommandRefusedError("nobody to send it to: a sequence's downlinks are for the archive, pin its key")
        return entity_of(archive)

    def _under_way(self, source: RootedSource, peer: int) -> TransactionId | None:
        """Give the transfer of this very file to this peer, which goes on; one of what it was before is cancelled."""
        for status in self._transfers.statuses():
            if status.role is not Role.SENDING or status.state.final or status.peer != peer:
                continue
            if status.name == source.name:
                if status.state is State.SUSPENDED:
                    self._transfers.resume(status.id)
                return status.id
            if path_of(status) == source.path:
                self._transfers.cancel(status.id)
        return None

    def _uplink(self, call: Call) -> Any:
        given = call.arguments
        transaction = TransactionId.parse(given["transaction"])
        path = "/".join(names_of(given["destination"]))
        target = RootedTarget(self._root, path, str(transaction), given["replace"])
        sha256 = _digest(given["sha256"])
        there = self._is_there(path, given["size_bytes"], sha256, call.cancelled)
        with self._lock:
            known = self._known(transaction)
            if known is None and there:
                return {"transaction": "", "state": State.COMPLETED.value, "path": path}
            if known is None:
                self._check_count()
                self._check_place(target, given["size_bytes"])
                self._transfers.expect(
                    transaction,
                    target,
                    size_bytes=given["size_bytes"],
                    sha256=sha256,
                    priority=given["priority"],
                )
            elif known.name != target.name:
                raise TransferError(f"transfer {transaction} is of {path_of(known)}: send this file under a new number")
            elif known.state.final and known.state is not State.COMPLETED:
                raise TransferError(f"transfer {transaction} was {known.state.value} ({known.reason}): send it anew")
            elif known.state is State.SUSPENDED:
                self._transfers.resume(transaction)
        return _row(self._transfers.status(transaction))

    def _is_there(self, path: str, size_bytes: int, sha256: bytes, cancelled: threading.Event) -> bool:
        """Tell whether there is this very file: sent again after its end was not heard, for instance."""
        found = self._root.look(path)
        if found is None or not stat.S_ISREG(found.st_mode) or found.st_size != size_bytes:
            return False
        with self._root.open(path) as stream:
            return self._digests.of(stream, cancelled) == sha256

    def _known(self, transaction: TransactionId) -> TransferStatus | None:
        try:
            return self._transfers.status(transaction)
        except TransferError:
            return None

    def _check_place(self, target: RootedTarget, size_bytes: int) -> None:
        found = self._root.look(target.path)
        if found and stat.S_ISDIR(found.st_mode):
            raise SettingError(f"{target.path} is a folder: give the file's name, too ({target.path}/…)")
        if found and not target.replace:
            raise OutputError(f"{target.path} is there already: delete it, or ask to replace it")
        # Two that fill the disk together would wait for each other.
        promised_bytes = sum(
            each.size_bytes - each.verified_bytes
            for each in self._transfers.statuses()
            if each.role is Role.RECEIVING and not each.state.final
        )
        room_bytes = max(0, self._root.free_bytes() - promised_bytes)
        if size_bytes > room_bytes:
            raise OutputError(
                f"no room for {size_bytes} bytes: {room_bytes} are free beside what is under way, delete some files"
            )

    def _check_count(self) -> None:
        if sum(not each.state.final for each in self._transfers.statuses()) >= _MOST:
            raise TransferError(f"{_MOST} transfers are under way: wait, or cancel some that files.transfers lists")

    def _list_transfers(self, _: Call) -> Any:
        # Stable: those that are over before those under way, the oldest first.
        statuses = sorted(self._transfers.statuses(), key=lambda each: not each.state.final)
        rows: list[dict[str, Any]] = []
        room_bytes = _LIST_BYTES
        for status in reversed(statuses):
            row = _row(status)
            room_bytes -= len(msgspec.msgpack.encode(row))
            if room_bytes < 0:
                break
            rows.insert(0, row)
        return rows


def _row(status: TransferStatus) -> dict[str, Any]:
    return {
        "transaction": str(status.id),
        "role": status.role.value,
        "state": status.state.value,
        "path": path_of(status),
        "size_bytes": status.size_bytes,
        "verified_bytes": status.verified_bytes,
        "peer": status.peer,
        "reason": status.reason,
    }


def _digest(text: str) -> bytes:
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise SettingError(f"{text[:64]!r} is no SHA-256: give 64 hexadecimal digits")
    return bytes.fromhex(text)
