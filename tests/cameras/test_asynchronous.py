"""Cameras under asyncio: awaited, cancelled, and never in the way of the loop."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

import heliograph
from heliograph.core import CameraLostError, CameraUrlError, Frame
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.testing.camera import PatternCamera


def test_frames_are_awaited() -> None:
    async def main() -> list[int]:
        async with heliograph.open_async("sim://bench", width=320, height=240) as camera:
            first = await camera.grab()
            assert (first.width, first.height) == (320, 240)
            ids = [frame.id async for frame in camera.frames(5)]
            assert camera.name == "bench"
            assert camera.statistics.frames == 6
            return [first.id, *ids]

    ids = asyncio.run(main())
    assert ids == sorted(set(ids))
    assert len(ids) == 6


def test_the_loop_runs_while_a_frame_is_awaited(address: str) -> None:
    async def main() -> int:
        async with heliograph.open_async(f"gige://{address}") as camera:
            await camera.grab()
            turns = 0
            taking = asyncio.ensure_future(camera.grab())
            while not taking.done():
                await asyncio.sleep(0.01)
                turns += 1
            return turns

    # A frame a second: a loop that was blocked would turn once.
    with GigeDeviceServer(PatternCamera(rate_hz=1), address):
        assert asyncio.run(main()) > 10


class Dark(PatternCamera):
    """Gives no frame until it is stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = threading.Event()
        self.stopped = threading.Event()
        self.closed = False

    def stop(self) -> None:
        super().stop()
        self.stopped.set()

    def close(self) -> None:
        super().close()
        self.closed = True

    def grab(self, timeout_s: float = 5.0) -> Frame:
        self.start()
        self.waiting.set()
        self.stopped.wait()
        raise CameraLostError("stopped by another thread")


def test_a_cancelled_wait_ends_at_once_and_close_ends_its_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    dark = Dark()
    monkeypatch.setattr("heliograph.cameras.asynchronous.open_blocking", lambda url: dark)

    async def main() -> None:
        async with heliograph.open_async("dark://") as camera:
            taking = asyncio.ensure_future(camera.grab())
            await asyncio.to_thread(dark.waiting.wait)
            taking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await taking
            assert not dark.stopped.is_set()
        assert dark.closed

    asyncio.run(main())


def test_who_is_closed_says_so_and_closes_no_second_time() -> None:
    async def main() -> None:
        async with heliograph.open_async("sim://bench") as camera:
            await camera.close()
            with pytest.raises(CameraLostError, match="bench is closed: open it again"):
                await camera.grab()

    asyncio.run(main())


def test_a_close_that_is_cancelled_closes_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Dark):
        def __init__(self) -> None:
            super().__init__()
            self.stopping = threading.Event()
            self.let_go = threading.Event()

        def stop(self) -> None:
            self.stopping.set()
            self.let_go.wait()
            super().stop()

    slow = Slow()
    monkeypatch.setattr("heliograph.cameras.asynchronous.open_blocking", lambda url: slow)

    async def main() -> None:
        camera = await heliograph.open_async("slow://")
        closing = asyncio.ensure_future(camera.close())
        await asyncio.to_thread(slow.stopping.wait)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        slow.let_go.set()

    asyncio.run(main())
    assert slow.closed


def test_stop_ends_the_frames_of_another_task(address: str) -> None:
    async def main() -> int:
        async with heliograph.open_async(f"gige://{address}") as camera:

            async def take() -> int:
                return len([frame.id async for frame in camera.frames()])

            taking = asyncio.ensure_future(take())
            while camera.statistics.frames < 5:
                await asyncio.sleep(0.01)
            await camera.stop()
            return await asyncio.wait_for(taking, 10)

    with GigeDeviceServer(PatternCamera(), address):
        assert asyncio.run(main()) >= 5


def test_features_are_set_in_the_cameras_thread(address: str) -> None:
    async def main() -> object:
        camera = await heliograph.open_async(f"gige://{address}")
        await camera.run(lambda blocking: blocking.apply({"ExposureTime": 2_000}))
        exposure_us = await camera.run(lambda blocking: blocking.features["ExposureTime"])
        await camera.close()
        return exposure_us

    with GigeDeviceServer(PatternCamera(), address):
        assert asyncio.run(main()) == 2_000.0


def test_an_opening_that_is_cancelled_leaves_the_camera_free(address: str) -> None:
    async def main() -> None:
        opening = asyncio.ensure_future(_opened(address))
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

    with GigeDeviceServer(PatternCamera(), address):
        asyncio.run(main())
        deadline_s = time.monotonic() + 20
        while True:
            try:
                heliograph.open(f"gige://{address}").close()
            except heliograph.CameraBusyError:
                assert time.monotonic() < deadline_s
            else:
                break


async def _opened(address: str) -> heliograph.AsyncCamera:
    return await heliograph.open_async(f"gige://{address}")


def test_errors_come_out() -> None:
    async def main() -> None:
        async with heliograph.open_async("nope://x"):
            pass

    with pytest.raises(CameraUrlError):
        asyncio.run(main())
