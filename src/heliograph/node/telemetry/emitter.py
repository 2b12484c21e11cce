"""Takes events from every part of the node, until the writer takes them."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from heliograph.link.event import Event, Severity
from heliograph.link.spooled import BLOCK_BYTES
from heliograph.node.telemetry.clock import boot_now_ns
from heliograph.node.telemetry.recorder import Taken

_log = logging.getLogger(__name__)

_MOST_WAITING = 10_000
_MESSAGE_CHARACTERS = 1_000
_ARGUMENT_BYTES = 8_000
_LEVELS = {Severity.WARNING: logging.WARNING, Severity.ALARM: logging.ERROR, Severity.FATAL: logging.CRITICAL}


class Emitter:
    """Implements `Emit`; `wake` is called for each event. What it has no room for has a number all the same."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._next = 1
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._lost = 0

    def emit(self, severity: Severity, name: str, message: str, **arguments: Any) -> None:
        """Let something that happened be known, on board and on the ground; never raises."""
        _log.log(_LEVELS.get(severity, logging.INFO), "%s: %s", name, message)
        time_ns = boot_now_ns()
        event = Event(
            boot_time_ns=time_ns,
            severity=severity,
            name=_text(name),
            message=_text(message),
            arguments=_plain(arguments),
        )
        packed = msgspec.msgpack.encode(event)
        with self._lock:
            if len(self._waiting) < _MOST_WAITING and not self._lost:
                self._waiting.append((time_ns, packed))
            else:
                self._lost += 1
        self._wake()

    def take(self) -> Taken | None:
        """Give events in as many bytes as a block may have; `lost` come after the last of those that wait."""
        with self._lock:
            taken: list[tuple[int, bytes]] = []
            size_bytes = 0
            while self._waiting and size_bytes < BLOCK_BYTES:
                taken.append(self._waiting.popleft())
                size_bytes += len(taken[-1][1])
            lost = 0
            if self._waiting:
                self._wake()
            else:
                lost, self._lost = self._lost, 0
            if not taken and not lost:
                return None
            first = self._next
            self._next += len(taken) + lost
        times = b"".join(time_ns.to_bytes(8, "little", signed=True) for time_ns, _ in taken)
        rows = msgspec.msgpack.encode([msgspec.Raw(packed) for _, packed in taken])
        return Taken(first, len(taken), times, rows, lost)


def _text(text: str) -> str:
    """Bounded, and without the lone surrogates that stand for bytes in file names."""
    return text[:_MESSAGE_CHARACTERS].encode("utf-8", "replace").decode()


def _plain(arguments: dict[str, Any]) -> dict[str, Any]:
    """Texts, numbers, booleans, lists and maps of them; what is too much is named, not kept."""
    try:
        plain: dict[str, Any] = msgspec.to_builtins(arguments, enc_hook=_spoken)
        size_bytes = len(msgspec.msgpack.encode(plain))
    except Exception as error:  # whatever it is, the event itself matters more
        return {"omitted": f"arguments that cannot be packed ({error})"[:_MESSAGE_CHARACTERS]}
    if size_bytes > _ARGUMENT_BYTES:
        return {"omitted": f"arguments of {size_bytes} bytes, more than {_ARGUMENT_BYTES}"}
    return plain


def _spoken(value: Any) -> Any:
    """Scalars of numpy are numbers; anything else is told as people read it."""
    return value.item() if hasattr(value, "item") else str(value)
