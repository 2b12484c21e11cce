"""The camera behind the page: live, silent, lost and back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest

from heliograph import cameras
from heliograph.core import (
    Camera,
    CameraBusyError,
    CameraLostError,
    Feature,
    FeatureAccessError,
    FeatureKind,
    FeatureValueError,
    Frame,
    LocalFeatures,
)
from heliograph.desk.view.camera import ViewedCamera, ViewState
from heliograph.desk.view.knobs import change, describe
from heliograph.testing.camera import PatternCamera


class Fragile(PatternCamera):
    """Is lost when it is told, and cannot be opened for a while."""

    def __init__(self) -> None:
        super().__init__(64, 48)
        self.lost = threading.Event()

    def grab(self, timeout_s: float = 5.0) -> Frame:
        if self.lost.is_set():
            raise CameraLostError("pattern is lost: the cable")
        return super().grab(timeout_s)


class Elsewhere(PatternCamera):
    """Streams to somebody else alone."""

    def grab(self, timeout_s: float = 5.0) -> Frame:
        raise CameraBusyError("pattern streams to 192.168.1.9 alone")


def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


@pytest.fixture
def viewed() -> Iterator[ViewedCamera]:
    with ViewedCamera(lambda: PatternCamera(64, 48)) as viewed:
        yield viewed


def test_it_holds_the_newest_frame_and_says_that_there_is_one(viewed: ViewedCamera) -> None:
    heard = threading.Event()
    forget = viewed.listen(heard.set)
    assert heard.wait(10)
    until(lambda: viewed.view.rate_hz > 0)
    view = viewed.view
    assert view.state is ViewState.LIVE
    assert view.frame is not None
    until(lambda: viewed.view.frame is not view.frame)
    forget()


def test_a_camera_that_somebody_else_has_is_not_lost() -> None:
    with ViewedCamera(Elsewhere) as viewed:
        until(lambda: "192.168.1.9" in viewed.view.message)
        assert viewed.view.state is ViewState.WAITING


def test_a_lost_camera_is_opened_again() -> None:
    opened: list[Fragile] = []

    def open_camera() -> Fragile:
        if len(opened) == 1 and not may_open.is_set():
            raise CameraLostError("pattern does not answer")
        opened.append(Fragile())
        return opened[-1]

    may_open = threading.Event()
    with ViewedCamera(open_camera) as viewed:
        until(lambda: viewed.view.state is ViewState.LIVE)
        opened[0].lost.set()
        until(lambda: viewed.view.state is ViewState.LOST and "does not answer" in viewed.view.message)
        assert viewed.view.frame is not None
        with pytest.raises(CameraLostError, match="it is looked for"):
            viewed.ask(describe).result(10)
        may_open.set()
        until(lambda: viewed.view.state is ViewState.LIVE)
        assert len(opened) == 2
    assert not opened[1].running


def test_a_camera_that_cannot_be_opened_at_first_is_an_error() -> None:
    def open_camera() -> PatternCamera:
        raise CameraLostError("not there")

    with pytest.raises(CameraLostError, match="not there"):
        ViewedCamera(open_camera)


def test_a_replay_that_ends_keeps_its_last_picture(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("replay") / "a.png"
    cv2.imwrite(str(file), np.full((48, 64), 9, np.uint8))
    with ViewedCamera(lambda: cameras.open(f"replay://{file}")) as viewed:
        until(lambda: viewed.view.state is ViewState.ENDED)
        assert viewed.view.frame is not None


def test_features_are_described_with_their_values(viewed: ViewedCamera) -> None:
    features = {each["name"]: each for each in viewed.ask(describe).result(10)}
    exposure = features["ExposureTime"]
    assert (exposure["value"], exposure["minimum"], exposure["unit"]) == (1000.0, 10.0, "us")
    assert features["PixelFormat"]["restarts"]
    assert "Mono8" in features["PixelFormat"]["entries"]
    assert [each["name"] for each in viewed.ask(lambda camera: describe(camera, ["Gain"])).result(10)] == ["Gain"]


def test_a_camera_that_is_lost_meanwhile_is_not_described_as_one_without_features(viewed: ViewedCamera) -> None:
    def describe_lost(camera: Camera) -> object:
        features = camera.features
        assert isinstance(features, LocalFeatures)
        features.add(Feature("Torn", FeatureKind.INTEGER), read=_lost)
        return describe(camera)

    with pytest.raises(CameraLostError):
        viewed.ask(describe_lost).result(10)


def _lost() -> int:
    raise CameraLostError("the cable")


def test_a_format_changes_while_pictures_come(viewed: ViewedCamera) -> None:
    until(lambda: viewed.view.state is ViewState.LIVE)
    viewed.ask(lambda camera: change(camera, "PixelFormat", "RGB8")).result(10)
    until(lambda: viewed.view.frame is not None and viewed.view.frame.pixel_format.name == "RGB8")


def test_a_refused_value_is_the_cameras_own_error(viewed: ViewedCamera) -> None:
    with pytest.raises(FeatureValueError, match="possible is 10"):
        viewed.ask(lambda camera: change(camera, "ExposureTime", 1e9)).result(10)


@pytest.mark.parametrize("name", ["AcquisitionStop", "GevSCPHostPort", "GevCCP"])
def test_the_stream_is_not_stopped_by_hand(viewed: ViewedCamera, name: str) -> None:
    def stop(camera: Camera) -> None:
        features = camera.features
        assert isinstance(features, LocalFeatures)
        features.add(Feature(name, FeatureKind.COMMAND))
        change(camera, name, None)

    with pytest.raises(FeatureAccessError, match="belongs to the stream"):
        viewed.ask(stop).result(10)
