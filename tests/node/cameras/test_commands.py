"""What the ground does with cameras on board."""

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import pytest

import heliograph
from heliograph.core import CameraNotFoundError, CommandFailedError, FeatureAccessError, FeatureValueError
from heliograph.node.call import Command
from heliograph.node.cameras.commands import camera_commands
from heliograph.node.cameras.shared import SharedCamera


@dataclass
class AskedCall:
    arguments: dict[str, Any]
    id: str = "0123456789abcdef0123456789abcdef"
    user: str = ""
    key: str = ""
    cancelled: threading.Event = field(default_factory=threading.Event)

    def progress(self, text: str, fraction: float | None = None) -> None:
        del text, fraction


@pytest.fixture
def camera() -> Iterator[SharedCamera]:
    shared = SharedCamera(heliograph.open("sim://bench", width=64, height=48, frame_rate_hz=100))
    yield shared
    shared.close()


@pytest.fixture
def kept() -> dict[str, bytes]:
    return {}


@pytest.fixture
def commands(camera: SharedCamera, kept: dict[str, bytes]) -> dict[str, Command]:
    return {
        each.definition.name: each for each in camera_commands(["cam-1", "cam-2"], {"cam-1": camera}, kept.__setitem__)
    }


def test_features_are_set_all_or_none(camera: SharedCamera, commands: dict[str, Command]) -> None:
    run = commands["camera.set"].run
    result = run(AskedCall({"camera": "cam-1", "settings": {"ExposureTime": "1500", "Gain": "6"}}))
    assert result["ExposureTime"] == pytest.approx(1500, abs=20)
    assert camera.driver.features["Gain"] == pytest.approx(6, abs=0.1)
    with pytest.raises(FeatureValueError, match="Gain"):
        run(AskedCall({"camera": "cam-1", "settings": {"ExposureTime": "700", "Gain": "999"}}))
    assert camera.driver.features["ExposureTime"] == pytest.approx(1500, abs=20)


def test_what_a_stream_locks_is_told(camera: SharedCamera, commands: dict[str, Command]) -> None:
    with camera.tap() as tap:
        tap.grab()
        with pytest.raises(FeatureAccessError, match="Width"):
            commands["camera.set"].run(AskedCall({"camera": "cam-1", "settings": {"Width": "32"}}))


def test_a_picture_is_kept_whole(commands: dict[str, Command], kept: dict[str, bytes]) -> None:
    call = AskedCall({"camera": "cam-1", "path": "a/b.png", "timeout": 5.0})
    result = commands["camera.grab"].run(call)
    assert result["path"] == "a/b.png"
    content = kept["a/b.png"]
    assert hashlib.sha256(content).hexdigest() == result["sha256"]
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    assert picture.shape[:2] == (result["height"], result["width"]) == (48, 64)


def test_a_picture_without_a_path_gets_one(commands: dict[str, Command], kept: dict[str, bytes]) -> None:
    result = commands["camera.grab"].run(AskedCall({"camera": "cam-1", "path": "", "timeout": 5.0}))
    assert list(kept) == [result["path"]]
    assert result["path"].startswith("pictures/cam-1-2")


def test_what_is_no_picture_is_told_before_one_is_taken(camera: SharedCamera, commands: dict[str, Command]) -> None:
    with pytest.raises(CommandFailedError, match=r"\.png"):
        commands["camera.grab"].run(AskedCall({"camera": "cam-1", "path": "a.doc", "timeout": 5.0}))
    assert not camera.driver.streaming


def test_a_camera_that_is_not_there_yet_is_told(commands: dict[str, Command]) -> None:
    assert commands["camera.grab"].definition.arguments[0].choices == ("cam-1", "cam-2")
    with pytest.raises(CameraNotFoundError, match="cam-2 is not there yet"):
        commands["camera.grab"].run(AskedCall({"camera": "cam-2", "path": "", "timeout": 5.0}))


def test_a_node_without_cameras_offers_no_commands_for_them(kept: dict[str, bytes]) -> None:
    assert not camera_commands([], {}, kept.__setitem__)


def test_nobody_waits_for_a_picture_that_is_not_wanted_any_more(kept: dict[str, bytes]) -> None:
    shared = SharedCamera(heliograph.open("sim://bench", width=64, height=48, frame_rate_hz=0.1))
    _, grab = camera_commands(["cam-1"], {"cam-1": shared}, kept.__setitem__)
    call = AskedCall({"camera": "cam-1", "path": "", "timeout": 300.0})
    with shared.tap() as tap:
        tap.grab()  # the next one comes 10 s later
        ending = threading.Timer(0.3, call.cancelled.set)
        ending.start()
        began_s = time.monotonic()
        with pytest.raises(CommandFailedError, match="no picture"):
            grab.run(call)
        assert time.monotonic() - began_s < 5
    ending.join()
    shared.close()
    assert not kept
    assert grab.definition.cancellable
