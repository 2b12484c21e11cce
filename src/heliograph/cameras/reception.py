"""Receives a GigE Vision stream in a process of its own and hands the frames over through a frame ring.

A thread under a busy interpreter lock loses most packets; another process does not notice what the user's code does.
It is an ordinary child, not `multiprocessing`, which would import the user's script a second time. It ends when the
user's end of the ring closes, however that process dies.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass

from heliograph.core import CameraLostError
from heliograph.gige.client.chunks import ChunkField
from heliograph.local import RingReader

_RECEIVER = "heliograph.cameras.receiver"


@dataclass(frozen=True, slots=True)
class ReceptionConfig:
    """What the receiving process needs to know of a stream."""

    source: str
    """Address the packets come from; others are ignored."""
    payload_bytes: int
    packet_size_bytes: int
    tick_hz: int
    """Ticks a second of the camera's timestamps; 0 when the camera does not say."""
    clock: str
    depth: int
    """Frames that the user's program may hold at once."""
    counts_from_1: bool = True
    """Block ids begin at 1 with each stream; where they begin anywhere, the first frame that arrives is frame 1."""
    resend: bool = False
    """Ask the camera again for packets that did not arrive: it says that it can."""
    extended_ids: bool = False
    """Block ids have 64 bits."""
    chunks: tuple[ChunkField, ...] = ()
    """Values that travel behind the image."""

    def to_json(self) -> str:
        """Give the text from which `from_json` makes the same config."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ReceptionConfig:
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        return cls(**fields | {"chunks": tuple(ChunkField(**chunk) for chunk in fields["chunks"])})


class Reception:
    """A receiving process, seen from the user's process: `reader` gives the frames.

    `sock` is the bound UDP socket that the camera sends to; the process takes it over.
    """

    def __init__(self, sock: socket.socket, config: ReceptionConfig) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        descriptors = (sock.fileno(), theirs.fileno())
        command = [sys.executable, "-P", "-m", _RECEIVER, *map(str, descriptors), config.to_json()]
        # Ctrl-C reaches every process of a terminal, and would end this one before it can say that it ignores it.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            with theirs:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=descriptors
                )
        except BaseException:
            ours.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        try:
            # An interpreter with numpy starts in 0.2 s; a busy Pi Zero takes several.
            self.reader = RingReader(ours, timeout_s=30)
        except CameraLostError as error:
            self._process.kill()
            raise CameraLostError(f"the process that receives frames did not start: {self._last_words()}") from error
        except BaseException:
            self._process.kill()
            self._last_words()
            raise

    @property
    def pid(self) -> int:
        """Process id of the receiving process."""
        return self._process.pid

    def close(self) -> None:
        """End the process. Frames that the program holds stay as they are: nobody is left who could write to them."""
        self.reader.close()
        self._process.kill()
        self._last_words()

    def _last_words(self) -> str:
        _, stderr = self._process.communicate()
        lines = stderr.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self._process.returncode}"
