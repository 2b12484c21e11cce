"""The asyncio face of every camera: what waits, waits in a thread of the camera's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

from heliograph.cameras.registry import open as open_blocking
from heliograph.core import Camera, CameraLostError, Frame, FramePolicy, StreamStatistics

T = TypeVar("T")


def open_async(url: str, **settings: Any) -> AsyncOpening:
    """Open the camera that `url` names for asyncio; takes and raises what `heliograph.open` does.

    >>> async with open_async("gige://cam-1", exposure_us=2_000) as camera:     # doctest: +SKIP
    ...     frame = await camera.grab()
    ...     async for frame in camera.frames(100):
    ...         print(frame.id, frame.missing_packets)

    `await open_async(url)` gives the camera without closing it at the end.
    """
    return AsyncOpening(url, settings)


class AsyncOpening:
    """A camera that is opened when it is awaited or entered."""

    def __init__(self, url: str, settings: Mapping[str, Any]) -> None:
        self._url = url
        self._settings = settings
        self._camera: AsyncCamera | None = None

    def __await__(self) -> Generator[Any, None, AsyncCamera]:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncCamera:
        self._camera = await self._open()
        return self._camera

    async def __aexit__(self, *exception: object) -> None:
        if self._camera is not None:
            await self._camera.close()

    async def _open(self) -> AsyncCamera:
        worker = ThreadPoolExecutor(1, "heliograph-async")
        opening = worker.submit(open_blocking, self._url, **self._settings)
        try:
            return AsyncCamera(await asyncio.wrap_future(opening), worker)
        except BaseException:
            # Cancelled, it may still open, and nobody would be left to close it.
            opening.add_done_callback(_close_unowned)
            worker.shutdown(wait=False)
            raise


class AsyncCamera:
    """A camera whose waiting calls are awaited; `open_async` makes one.

    A cancelled call ends at once; its thread goes on waiting until it has its frame or its timeout, and the next call
    begins after that. `stop` and `close` end that waiting. Raises what `heliograph.Camera` raises.
    """

    def __init__(self, camera: Camera, worker: ThreadPoolExecutor) -> None:
        self._camera = camera
        self._worker = worker
        self._closed = False

    @property
    def name(self) -> str:
        """What people call this camera."""
        return self._camera.name

    @property
    def statistics(self) -> StreamStatistics:
        """Counts since acquisition started."""
        return self._camera.statistics

    async def grab(self, timeout_s: float = 5.0) -> Frame:
        """Give the next picture."""
        return await self.run(lambda camera: camera.grab(timeout_s))

    async def frames(
        self, count: int | None = None, timeout_s: float = 5.0, policy: FramePolicy = "all"
    ) -> AsyncIterator[Frame]:
        """Give frame after frame, `count` of them or until `stop`."""
        frames = self._camera.frames(count, timeout_s, policy)
        while taken := await self.run(lambda _: list(islice(frames, 1))):
            yield taken.pop()  # nobody here holds the frame while the program works with it

    async def run(self, call: Callable[[Camera], T]) -> T:
        """Give what `call` makes of the camera, in the camera's thread: for features and settings.

        >>> await camera.run(lambda camera: camera.apply({"Gain": 6}))          # doctest: +SKIP
        """
        try:
            called = self._worker.submit(call, self._camera)
        except RuntimeError:
            raise CameraLostError(f"{self.name} is closed: open it again") from None
        return await asyncio.wrap_future(called)

    async def stop(self) -> None:
        """Stop acquisition; whoever waits for frames ends."""
        # Not in the camera's thread, in which somebody may wait for a frame.
        await asyncio.to_thread(self._camera.stop)

    async def close(self) -> None:
        """Stop, and give the camera back, to the end even when this is cancelled. Does nothing when it is closed."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._give_back)

    def _give_back(self) -> None:
        try:
            self._camera.stop()
        finally:
            # A camera is not closed under the thread that takes its frames.
            self._worker.submit(self._camera.close).result()
            self._worker.shutdown(wait=False)


def _close_unowned(opening: Future[Camera]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
