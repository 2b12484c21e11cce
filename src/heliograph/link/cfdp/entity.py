"""The engine: all transfers of one entity, with datagrams and time passed in, datagrams and actions out. Sans-IO."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from heliograph.core import TransferError
from heliograph.link.cfdp.action import Action, Changed
from heliograph.link.cfdp.contact import Probe, Report, decode_contact, is_contact
from heliograph.link.cfdp.entry import Entry
from heliograph.link.cfdp.files import Source, Target
from heliograph.link.cfdp.pdu import (
    LARGE_BYTES,
    Ack,
    Directive,
    Eof,
    FileData,
    Finished,
    Header,
    Metadata,
    Nak,
    Pdu,
    decode,
    encode,
)
from heliograph.link.cfdp.peer import Address, Peer
from heliograph.link.cfdp.peers import Peers
from heliograph.link.cfdp.receiving import Receiving
from heliograph.link.cfdp.schedule import Schedule
from heliograph.link.cfdp.sending import NEVER_NS, Sending
from heliograph.link.cfdp.transaction import Offer, Role, State, TransactionId, TransferStatus

Transfer = Sending | Receiving


class Entity:
    """One CFDP entity.

    The calls are those of a datagram protocol without sockets: `receive_datagram`, `datagrams_to_send`,
    `next_timer_ns`, and `take_actions` after any other; what actions lead to comes back by `saved`, `digested`,
    `committed` and `failed`. `datagram_bytes` tells how large datagrams to an address may be.
    """

    def __init__(
        self,
        entity: int,
        *,
        datagram_bytes: Callable[[Address], int],
        rate_bps: float | None = None,
        room_bytes: int = 1 << 17,
        accept: Callable[[Offer], Target | None] | None = None,
    ) -> None:
        self.entity = entity
        self._room_bytes = room_bytes
        self._accept = accept
        self._peers = Peers(entity, datagram_bytes)
        self._transfers: dict[TransactionId, Transfer] = {}
        self._live: dict[TransactionId, Transfer] = {}
        self._schedule = Schedule(rate_bps)
        self._out: list[tuple[bytes, Address]] = []

    def send(self, entry: Entry, source: Source) -> None:
        """Take on a file to send, new or from the journal."""
        self._add(Sending(entry, source))

    def receive(self, entry: Entry, target: Target) -> None:
        """Take on a file to receive, new or from the journal."""
        header = Header(entry.id, self.entity, large=entry.size_bytes >= LARGE_BYTES)
        self._add(Receiving(entry, target, header))

    def receive_datagram(self, datagram: bytes | memoryview, address: Address, now_ns: int) -> None:
        """Take a datagram; raises `RemoteProtocolError` for one that breaks the protocol."""
        if is_contact(datagram):
            self._take_contact(decode_contact(datagram), address, now_ns)
            return
        header, pdu = decode(datagram)
        if header.to_sender and header.id.entity == self.entity:
            self._take_to_sender(header, pdu, address, now_ns)
        elif not header.to_sender and header.destination == self.entity:
            self._take_to_receiver(header, pdu, address, now_ns, len(datagram))

    def datagrams_to_send(self, now_ns: int) -> list[tuple[bytes, Address]]:
        """Give what is to be sent now, and where to."""
        out, self._out = self._out, []
        for transfer in self._live.values():
            self._speak(transfer, out, now_ns)
        out += self._schedule.data(self._sendings(), self._peers, now_ns)
        for peer in self._busy():
            if self._contact_due_ns(peer) <= now_ns and peer.address is not None:
                was_up = peer.up
                out.append((peer.probe(self.entity, self._held(peer), now_ns).pack(), peer.address))
                if was_up and not peer.up:
                    self._tell_all(peer)
        return out

    def next_timer_ns(self, now_ns: int) -> int:
        """Give when to call `datagrams_to_send` again, if nothing arrives before."""
        due_ns = min(map(self._contact_due_ns, self._busy()), default=NEVER_NS)
        for transfer in self._live.values():
            due_ns = min(due_ns, transfer.keep_due_ns)
            if self._peers[transfer.entry.peer].up:
                due_ns = min(due_ns, transfer.due_ns)
        return min(due_ns, self._schedule.next_ns(self._sendings(), self._peers, now_ns))

    def take_actions(self) -> list[Action]:
        """Give what is to be done, in this order."""
        actions: list[Action] = []
        for transfer in list(self._live.values()):
            if transfer.actions:
                actions += transfer.actions
                transfer.actions.clear()
            elif transfer.over and transfer.due_ns == NEVER_NS:
                del self._live[transfer.id]
        return actions

    def saved(self, entry: Entry) -> None:
        """Note that an entry is in the journal."""
        transfer = self._transfers[entry.id]
        self._live[entry.id] = transfer
        transfer.saved(entry)

    def digested(self, transaction: TransactionId, checksum: int, sha256: bytes | None) -> None:
        """Take the checksum, and the SHA-256 where it was announced, of a whole file."""
        transfer = self._transfers[transaction]
        if isinstance(transfer, Sending):
            transfer.digested(checksum)
        else:
            transfer.digested(checksum, sha256)

    def committed(self, transaction: TransactionId) -> None:
        """Note that a file has its final name."""
        transfer = self._transfers[transaction]
        if isinstance(transfer, Receiving):
            transfer.committed()

    def failed(self, transaction: TransactionId, error: Exception, now_ns: int) -> None:
        """Note that an action failed."""
        transfer = self._transfers[transaction]
        if isinstance(transfer, Receiving):
            transfer.fail_disk(error, now_ns)
        elif not transfer.entry.state.final:
            transfer.cancel(State.FAILED, f"the file cannot be read ({error})")

    def suspend(self, transaction: TransactionId) -> None:
        """Hold a transfer; raises `TransferError` for one that is unknown or over, as the next three do."""
        transfer = self._open(transaction)
        transfer.suspend("at this end")
        self._peers[transfer.entry.peer].hurry()

    def resume(self, transaction: TransactionId) -> None:
        """Let it go on."""
        transfer = self._open(transaction)
        transfer.resume()
        self._peers[transfer.entry.peer].hurry()

    def cancel(self, transaction: TransactionId) -> None:
        """End it at both ends."""
        self._open(transaction).cancel(State.CANCELLED, "cancelled at this end")

    def abandon(self, transaction: TransactionId) -> None:
        """End it at this end."""
        self._open(transaction).abandon()

    def expect(self, transaction: TransactionId, address: Address | None) -> bool:
        """Ask for a file that is expected already; tells whether it is."""
        transfer = self._transfers.get(transaction)
        if not isinstance(transfer, Receiving):
            return False
        self._peers.add(transfer.entry.peer, address, speaks=transfer.entry.speaks).hurry()
        transfer.return_link()
        return True

    def entry(self, transaction: TransactionId) -> Entry | None:
        """Give what the journal has to know of a transfer."""
        transfer = self._transfers.get(transaction)
        return None if transfer is None else transfer.entry

    def forget(self, transaction: TransactionId) -> None:
        """Forget a transfer that is over."""
        transfer = self._transfers.pop(transaction, None)
        self._live.pop(transaction, None)
        if transfer is not None and not any(t.entry.peer == transfer.entry.peer for t in self._transfers.values()):
            del self._peers[transfer.entry.peer]

    def status(self, transaction: TransactionId) -> TransferStatus:
        """Tell how a transfer is getting on; raises `TransferError` for one that is unknown."""
        transfer = self._find(transaction)
        state, reason = self._state(transfer)
        return TransferStatus(
            id=transaction,
            role=Role.SENDING if isinstance(transfer, Sending) else Role.RECEIVING,
            state=state,
            size_bytes=transfer.entry.size_bytes,
            verified_bytes=transfer.verified_bytes,
            peer=transfer.entry.peer,
            destination=transfer.entry.destination,
            name=transfer.entry.name,
            reason=reason,
            closed=transfer.entry.closed,
        )

    def statuses(self) -> list[TransferStatus]:
        """Tell of all transfers."""
        return [self.status(transaction) for transaction in self._transfers]

    def has_last_word(self) -> bool:
        """Tell whether there is a transfer that is over at this end, of which the other end, there, does not know."""
        return any(
            transfer.entry.state.final and not transfer.over and self._peers[transfer.entry.peer].up
            for transfer in self._live.values()
        )

    def close(self) -> None:
        """Close the files."""
        for transfer in self._transfers.values():
            transfer.close()

    def _add(self, transfer: Transfer) -> None:
        entry = transfer.entry
        self._transfers[entry.id] = self._live[entry.id] = transfer
        peer = self._peers.add(entry.peer, entry.address, speaks=entry.speaks)
        stranger = self._peers.recall(entry.peer)
        if stranger is not None and not peer.heard:
            self._out.append((self._peers.question(stranger), stranger))
        peer.hurry()

    def _hear(self, peer: Peer, now_ns: int) -> None:
        if peer.hear(now_ns):
            for transfer in self._with(peer):
                transfer.return_link()
            self._tell_all(peer)

    def _hears(self, peer: Peer, pdu: Pdu, address: Address, now_ns: int) -> bool:
        """Tell whether a PDU comes from where the peer is known to be."""
        if peer.address is None and not peer.speaks:
            self._peers.place(peer, address)
        if address == peer.address:
            self._hear(peer, now_ns)
            return True
        if peer.speaks and not isinstance(pdu, FileData):
            self._out.append((self._peers.question(address), address))
        return False

    def _take_contact(self, contact: Probe | Report, address: Address, now_ns: int) -> None:
        peer = self._peers.get(contact.entity)
        if peer is None:
            self._peers.remember(contact.entity, address)
            return
        if address != peer.address:
            self._take_move(peer, contact, address, now_ns)
            return
        peer.speaks = True
        self._hear(peer, now_ns)
        self._take_held(peer, contact.held)
        if isinstance(contact, Probe):
            self._answer(peer, contact, address, self._held(peer), now_ns)
        else:
            peer.take_report(contact, now_ns)

    def _take_move(self, peer: Peer, contact: Probe | Report, address: Address, now_ns: int) -> None:
        """Hear a peer where it was not: it may have been started anew, or somebody speaks in its name."""
        if isinstance(contact, Probe):
            self._answer(peer, contact, address, (), now_ns)
            self._out.append((self._peers.question(address), address))
            peer.hurry()  # is it still where it was?
        elif self._peers.proves(contact, address) and (address == peer.home or peer.silent(now_ns)):
            self._peers.place(peer, address)
            self._hear(peer, now_ns)

    def _answer(self, peer: Peer, probe: Probe, address: Address, held: tuple[TransactionId, ...], now_ns: int) -> None:
        stamps = (self.entity, probe.stamp_ns, probe.sent_bytes)
        report = Report(*stamps, peer.received_bytes, now_ns, self._room_bytes, held)
        self._out.append((report.pack(), address))

    def _take_to_sender(self, header: Header, pdu: Pdu, address: Address, now_ns: int) -> None:
        transfer = self._transfers.get(header.id)
        if isinstance(pdu, Finished) and (transfer is None or transfer.over):
            # It did not hear that it may forget it.
            ack = Ack(Directive.FINISHED_PDU, pdu.condition, active=False)
            self._out.append((encode(header.other_way, ack), address))
        elif isinstance(transfer, Sending) and header.destination == transfer.entry.peer:
            peer = self._peers[transfer.entry.peer]
            if self._hears(peer, pdu, address, now_ns):
                self._live[transfer.id] = transfer  # one that is over may have to say so again
                transfer.take(pdu)

    def _take_to_receiver(self, header: Header, pdu: Pdu, address: Address, now_ns: int, size_bytes: int) -> None:
        transfer = self._transfers.get(header.id)
        if transfer is None:
            transfer = self._take_stranger(header, pdu, address)
        if isinstance(transfer, Receiving):
            peer = self._peers[transfer.entry.peer]
            if not self._hears(peer, pdu, address, now_ns):
                return
            if isinstance(pdu, FileData):
                peer.arrive(size_bytes, now_ns)
            self._live[transfer.id] = transfer
            transfer.take(pdu, now_ns, peer.round_trip_ns)

    def _take_stranger(self, header: Header, pdu: Pdu, address: Address) -> Receiving | None:
        """Decide on a transfer that nobody announced."""
        if self._accept is None or not header.acknowledged or header.id.entity == self.entity:
            return None
        if isinstance(pdu, Eof):
            self._out.append((encode(header.other_way, Nak(0, 0, ((0, 0),))), address))
        if not isinstance(pdu, Metadata):
            return None
        offer = Offer(header.id, pdu.source, pdu.destination, pdu.size_bytes, address)
        target = self._accept(offer)
        if target is None:
            return None
        peer = self._peers.get(header.id.entity)
        entry = Entry(
            header.id,
            Role.RECEIVING,
            header.id.entity,
            target.name,
            pdu.destination,
            pdu.size_bytes,
            checksum=pdu.checksum,
            speaks=peer is not None and peer.speaks,
            address=address,
        )
        transfer = Receiving(entry, target, header)
        self._add(transfer)
        return transfer

    def _take_held(self, peer: Peer, held: tuple[TransactionId, ...]) -> None:
        for transfer in self._with(peer):
            if transfer.held != (transfer.id in held):
                transfer.held = not transfer.held
                transfer.actions.append(Changed(transfer.id))
                if not transfer.held:
                    transfer.return_link()

    def _speak(self, transfer: Transfer, out: list[tuple[bytes, Address]], now_ns: int) -> None:
        if transfer.keep_due_ns <= now_ns:
            transfer.keep(now_ns)
        peer = self._peers[transfer.entry.peer]
        if transfer.due_ns > now_ns or not peer.up or peer.address is None:
            return
        if isinstance(transfer, Sending):
            header, pdus = transfer.header, transfer.say(now_ns, peer.patience_ns)
        else:
            header = transfer.header.other_way
            pdus = transfer.say(now_ns, peer.patience_ns, peer.arrival_bytes_per_s, peer.pace.datagram_bytes)
        out += ((encode(header, pdu), peer.address) for pdu in pdus)

    def _contact_due_ns(self, peer: Peer) -> int:
        if not peer.speaks or peer.address is None:
            return NEVER_NS
        return peer.probe_due_ns()

    def _state(self, transfer: Transfer) -> tuple[State, str]:
        entry, peer = transfer.entry, self._peers[transfer.entry.peer]
        if entry.state.final or entry.state is State.SUSPENDED:
            return entry.state, entry.reason
        if isinstance(transfer, Receiving) and transfer.full:
            return State.SUSPENDED, "no room on the disk; goes on when there is some"
        if transfer.held:
            return State.SUSPENDED, "at the other end"
        if peer.heard and not peer.up:
            return State.LINK_DOWN, "nothing is heard of the other end; goes on by itself"
        return (State.ACTIVE if transfer.started else State.WAITING), ""

    def _held(self, peer: Peer) -> tuple[TransactionId, ...]:
        return tuple(transfer.id for transfer in self._with(peer) if transfer.suspended)

    def _busy(self) -> list[Peer]:
        """Give the peers with which there is something to do."""
        return [self._peers[entity] for entity in {t.entry.peer for t in self._live.values() if not t.over}]

    def _with(self, peer: Peer) -> Iterator[Transfer]:
        """Give the transfers with a peer that are under way."""
        return (t for t in self._live.values() if t.entry.peer == peer.entity and not t.over)

    def _sendings(self) -> Iterator[Sending]:
        return (t for t in self._live.values() if isinstance(t, Sending) and t.has_data)

    def _tell_all(self, peer: Peer) -> None:
        for transfer in self._with(peer):
            transfer.actions.append(Changed(transfer.id))

    def _find(self, transaction: TransactionId) -> Transfer:
        transfer = self._transfers.get(transaction)
        if transfer is None:
            raise TransferError(f"no transfer {transaction} is known: ask for the list of transfers")
        return transfer

    def _open(self, transaction: TransactionId) -> Transfer:
        transfer = self._find(transaction)
        if transfer.entry.state.final:
            raise TransferError(f"transfer {transaction} is over: {transfer.entry.state.value}")
        return transfer
