"""The cameras of a node: opened, set and served; one that is not there yet is waited for, and the node does not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from heliograph.core import (
    AddressError,
    Camera,
    CameraBusyError,
    CameraLostError,
    CameraNotFoundError,
    FrameTimeoutError,
    HeliographError,
)
from heliograph.core.settings import apply
from heliograph.link.event import Severity
from heliograph.node.cameras.serving import Serving
from heliograph.node.cameras.shared import SharedCamera
from heliograph.node.outlet import Emit

_log = logging.getLogger(__name__)

_AGAIN_S = 5.0
# What time may mend: a plug, a driver, an address. Anything else is wrong in node.toml, and is told at the start.
_PASSING = (CameraNotFoundError, CameraBusyError, CameraLostError, FrameTimeoutError, AddressError, OSError)


@dataclass(frozen=True, slots=True)
class Berth:
    """Where a camera belongs."""

    name: str
    url: str
    address: str = ""
    serve: bool = True
    features: Mapping[str, object] = field(default_factory=dict)


class CameraBay:
    """Opens and serves cameras until closed, and tries those again that cannot be had yet.

    >>> berths = [Berth("cam-1", "sim://bench")]
    >>> with CameraBay(berths, heliograph.open, Path("state"), emit=emit) as bay:  # doctest: +SKIP
    ...     bay.cameras["cam-1"].driver.features["Gain"] = 3

    Entering raises what is wrong with a URL or a setting, and no more for a camera that is not there.
    """

    def __init__(
        self,
        berths: Sequence[Berth],
        open_camera: Callable[[str], Camera],
        state_dir: Path,
        *,
        emit: Emit,
        allow: Sequence[str] = (),
    ) -> None:
        self.cameras: dict[str, SharedCamera] = {}
        """Those that are open, by name."""
        self.served: dict[str, str] = {}
        """Addresses of those that are served, by name."""
        self._berths = berths
        self._open_camera = open_camera
        self._emit = emit
        self._serving = Serving(state_dir, allow)
        self._missing: dict[str, str] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._try_again, name="heliograph-cameras", daemon=True)

    def __enter__(self) -> CameraBay:
        try:
            for berth in self._berths:
                try:
                    self._try(berth)
                except HeliographError as error:
                    raise type(error)(f"camera {berth.name}: {error}") from error
        except BaseException:
            self._close()
            raise
        if self._missing:
            self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._close()

    def _close(self) -> None:
        self._serving.close()
        for name, camera in self.cameras.items():
            try:
                camera.close()
            except Exception as error:  # whatever a driver raises, the others are closed as well
                _log.warning("%s: %s", name, error)

    def _try_again(self) -> None:
        while self._missing and not self._closing.wait(_AGAIN_S):
            for berth in self._berths:
                if berth.name not in self._missing or self._closing.is_set():
                    continue
                try:
                    self._try(berth)
                except HeliographError as error:
                    # It came, and is not what node.toml takes it for.
                    self._miss(berth, error)

    def _try(self, berth: Berth) -> None:
        try:
            camera = self._open_camera(berth.url)
        except _PASSING as error:
            self._miss(berth, error)
            return
        shared = SharedCamera(camera)
        try:
            apply(camera.features, berth.features)
            if berth.serve:
                served = self._serving.serve(berth.url, shared.tap(), berth.name, berth.address)
                self.served[berth.name] = served.server.address
        except _PASSING as error:
            shared.close()
            self._miss(berth, error)
            return
        except BaseException:
            shared.close()
            raise
        self.cameras[berth.name] = shared
        if self._missing.pop(berth.name, None) is not None:
            self._emit(Severity.ACTIVITY, "camera.found", f"{berth.name} is there", camera=berth.name)

    def _miss(self, berth: Berth, error: Exception) -> None:
        """Tell it once, and again when the reason is another."""
        if self._missing.get(berth.name) != str(error):
            self._missing[berth.name] = str(error)
            self._emit(Severity.ALARM, "camera.missing", f"{berth.name}: {error}", camera=berth.name, url=berth.url)
