"""Cameras on the network: each opened, served at an address of its own, and closed in the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from heliograph.cameras.modes import presets_for
from heliograph.core import AddressError, Camera
from heliograph.gige.device.server import GigeDeviceServer

LOOPBACK = tuple(f"127.0.0.{host}" for host in range(1, 255))
"""Addresses that a camera takes the first free one of when none is given."""


@dataclass(frozen=True, slots=True)
class Served:
    """A camera on the network."""

    url: str
    server: GigeDeviceServer


class Serving:
    """Serves cameras until closed.

    >>> with Serving(Path("state")) as serving:                                 # doctest: +SKIP
    ...     print(serving.serve("sim://bench", camera).server.address)

    `allow` names the networks whose clients are answered, private ones by default. Cameras are the caller's to close,
    after this. Each method raises what `GigeDeviceServer` raises.
    """

    def __init__(self, state_dir: Path, allow: Sequence[str] = ()) -> None:
        self._state_dir = state_dir
        self._allow = allow
        self._resources = ExitStack()
        self._served: list[Served] = []

    def serve(self, url: str, camera: Camera, name: str = "", address: str = "") -> Served:
        """Serve a camera that was opened from `url`; without an address at the first free one of loopback."""
        make_server = partial(
            GigeDeviceServer,
            camera,
            name=name,
            presets=presets_for(camera),
            state_dir=self._state_dir,
            allow=self._allow,
            taken_serials=[each.server.identity.serial for each in self._served],
        )
        server = _started(make_server, [address] if address else LOOPBACK)
        self._resources.callback(server.close)
        self._served.append(Served(url, server))
        return self._served[-1]

    def close(self) -> None:
        """Serve no more."""
        self._resources.close()

    def __enter__(self) -> Serving:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _started(make_server: Callable[[str], GigeDeviceServer], candidates: Sequence[str]) -> GigeDeviceServer:
    for address in candidates[:-1]:
        with suppress(AddressError):
            return _start(make_server(address))
    return _start(make_server(candidates[-1]))


def _start(server: GigeDeviceServer) -> GigeDeviceServer:
    server.start()
    return server
