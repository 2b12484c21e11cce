"""One viewer: asks for picture after picture, and sets features.

The page sends JSON. `next` asks for a picture newer than the last one, and the page asks again when it has drawn it:
one picture is in flight, so a slow tunnel lowers the rate and never adds delay. Pictures go out as binary messages: a
uint32 in little-endian order, so many bytes of JSON about the frame, and the JPEG.
"""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from heliograph.core import Camera, Frame, HeliographError
from heliograph.desk.view.camera import View, ViewedCamera
from heliograph.desk.view.knobs import change, describe
from heliograph.desk.view.message import header_of, request_of
from heliograph.desk.view.picture import PictureRequest, encode

_MEASURE_S = 0.1
_PICTURE_S = 1 / 30


class Session:
    """A connected page. `frame` is the one it shows, and the one it saves."""

    def __init__(self, socket: WebSocket, viewed: ViewedCamera, encoder: Executor, *, read_only: bool) -> None:
        self.frame: Frame | None = None
        self._socket = socket
        self._viewed = viewed
        self._encoder = encoder
        self._read_only = read_only
        self._wake = asyncio.Event()
        self._wanted: PictureRequest | None = None
        self._jobs: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._measured_s = 0.0

    async def run(self, name: str) -> None:
        """Serve the page until it goes away; `name` is what it calls this session."""
        await self._socket.accept()
        loop = asyncio.get_running_loop()
        forget = self._viewed.listen(lambda: loop.call_soon_threadsafe(self._wake.set))
        hello = {"type": "hello", "camera": self._viewed.name, "session": name, "read_only": self._read_only}
        try:
            await self._socket.send_json(hello)
            self._wake.set()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._show())
                tasks.create_task(self._obey())
                tasks.create_task(self._listen())
        except* WebSocketDisconnect:
            pass
        finally:
            forget()

    async def _listen(self) -> None:
        while True:
            try:
                message = json.loads(await self._socket.receive_text())
                if message["type"] == "next":
                    self._wanted = request_of(message)
                    self._wake.set()
                else:
                    self._jobs.put_nowait(message)
            except (ValueError, TypeError, KeyError):
                continue  # nothing that our page says

    async def _obey(self) -> None:
        while True:
            message = await self._jobs.get()
            if message["type"] == "features":
                await self._tell_features(message.get("names"))
            elif message["type"] == "set":
                await self._set(str(message.get("name")), message.get("value"))

    async def _set(self, name: str, value: object) -> None:
        error = None
        if self._read_only:
            error = "nothing can be set: the camera was opened only to look"
        else:
            try:
                await self._ask(lambda camera: change(camera, name, value))
            except HeliographError as refused:
                error = str(refused)
        await self._socket.send_json({"type": "set", "name": name, "error": error})

    async def _tell_features(self, names: object) -> None:
        wanted = [str(name) for name in names] if isinstance(names, list) else None
        try:
            features = await self._ask(lambda camera: describe(camera, wanted))
        except HeliographError:
            features = []  # the camera's state, which the page is told too, says why
        await self._socket.send_json({"type": "features", "features": features, "all": wanted is None})

    async def _ask(self, job: Callable[[Camera], Any]) -> Any:
        return await asyncio.wrap_future(self._viewed.ask(job))

    async def _show(self) -> None:
        told: tuple[str, str] | None = None
        while True:
            await self._wake.wait()
            self._wake.clear()
            view, wanted = self._viewed.view, self._wanted
            if told != (view.state, view.message):
                told = (view.state, view.message)
                await self._socket.send_json({"type": "state", "state": view.state, "message": view.message})
            if wanted is None or view.frame is None:
                continue
            held = wanted.paused and self.frame is not None
            if not held and view.frame is self.frame:
                continue
            self._wanted = None
            if not held:
                self.frame = view.frame
            started_s = time.monotonic()
            await self._send(view, self.frame or view.frame, wanted)
            await asyncio.sleep(max(0.0, started_s + _PICTURE_S - time.monotonic()))

    async def _send(self, view: View, frame: Frame, wanted: PictureRequest) -> None:
        now_s = time.monotonic()
        measured = wanted.paused or now_s - self._measured_s >= _MEASURE_S
        if measured:
            self._measured_s = now_s
        loop = asyncio.get_running_loop()
        picture = await loop.run_in_executor(self._encoder, encode, frame, wanted, measured)
        header = json.dumps(header_of(view, frame, picture)).encode()
        await self._socket.send_bytes(struct.pack("<I", len(header)) + header + picture.jpeg)
