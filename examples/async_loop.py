"""Frames under asyncio: two cameras, one loop, nobody waits for the other."""

import asyncio
import sys

import heliograph


async def watch(url: str) -> None:
    async with heliograph.open_async(url) as camera:
        async for frame in camera.frames(10):
            print(camera.name, frame.id, frame.data.mean())


async def main() -> None:
    await asyncio.gather(*map(watch, sys.argv[1:]))


asyncio.run(main())
