"""The page in a real browser, on a camera that is served over GigE Vision on loopback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

import heliograph
from heliograph.core import Camera
from heliograph.desk.view import ViewedCamera, ViewServer
from heliograph.testing.addresses import loopback_address
from heliograph.testing.peers import require

WAIT_MS = 20_000
expect.set_options(timeout=WAIT_MS)

Serve = Callable[[], subprocess.Popen[str]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # As root, Chromium runs without its sandbox or not at all; it sees our own page only.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def camera_address() -> Iterator[str]:
    with loopback_address() as own:
        yield own


@pytest.fixture(scope="module")
def serve(camera_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Give a function that starts the camera's program, and waits until it serves."""
    started: list[subprocess.Popen[str]] = []
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path_factory.mktemp("state"))}

    def start() -> subprocess.Popen[str]:
        program = [sys.executable, "-c", "from heliograph.cli import main; main()"]
        words = ["serve", "sim://test-card", "--address", camera_address, "--name", "bench-1", "--json"]
        pipe = subprocess.PIPE
        server = subprocess.Popen([*program, *words], stdout=pipe, stderr=pipe, text=True, env=environment)
        started.append(server)
        assert server.stdout
        if not server.stdout.readline():
            pytest.fail(server.communicate()[1])
        return server

    yield start
    for server in started:
        server.kill()
        server.communicate()


@pytest.fixture(scope="module")
def camera_program(serve: Serve) -> list[subprocess.Popen[str]]:
    return [serve()]


@pytest.fixture(scope="module")
def viewed(camera_program: list[subprocess.Popen[str]], camera_address: str) -> Iterator[ViewedCamera]:
    def open_camera() -> Camera:
        camera = heliograph.open(f"gige://{camera_address}", pixel_format="Mono8", binning=4, frame_rate_hz=15)
        camera.features["Width"] = 480
        return camera

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELIOGRAPH_INTERFACES", "127.0.0.1")
        with ViewedCamera(open_camera) as viewed:
            yield viewed


@pytest.fixture(scope="module")
def server(viewed: ViewedCamera) -> Iterator[ViewServer]:
    with ViewServer(viewed) as server:
        yield server


@pytest.fixture
def page(browser: Browser, server: ViewServer) -> Iterator[Page]:
    """Give the page, open and live; an error in its script fails the test."""
    errors: list[str] = []
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server.url)
    expect(page.locator("#state")).to_have_text("live")
    until(page, "frame !== null && knobs.size > 0")
    yield page
    page.close()
    assert not errors


def feature(viewed: ViewedCamera, name: str) -> Any:
    return viewed.ask(lambda camera: camera.features[name]).result(20)


def seen(page: Page) -> npt.NDArray[np.uint8]:
    """Give what the picture's canvas shows, BGR."""
    png = np.frombuffer(page.locator("#picture").screenshot(), np.uint8)
    return np.asarray(cv2.imdecode(png, cv2.IMREAD_COLOR), np.uint8)


def until(page: Page, condition: str) -> None:
    """Wait until an expression is true in the page, whose rules let nobody compile one there."""
    deadline_s = time.monotonic() + WAIT_MS / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < deadline_s, condition
        page.wait_for_timeout(20)


def shown_id(page: Page) -> int:
    return int(page.locator("#frame").inner_text())


def test_pictures_arrive_and_change(page: Page) -> None:
    expect(page.locator("#camera")).to_have_text("bench-1")
    expect(page.locator("#frame")).to_have_text(re.compile(r"\d+"))
    first = shown_id(page)
    until(page, f"frame && frame.id > {first + 3}")
    assert seen(page).std() > 20
    assert page.evaluate("[frame.width, frame.height]") == [480, 380]
    expect(page.locator("#rate")).to_have_text(re.compile(r"\d+\.\d"))
    expect(page.locator("#focus")).to_have_text(re.compile(r"\d"))
    assert page.evaluate("measures.histogram[0].reduce((a, b) => a + b)") == 480 * 380
    expect(page.locator("#facts")).to_contain_text("Mono8")


def test_exposure_set_in_the_page_is_the_cameras(page: Page, viewed: ViewedCamera) -> None:
    exposure = page.locator("#front-ExposureTime")
    expect(exposure).to_have_value(re.compile(r"\d+"))
    for value in (500, 1500):
        exposure.fill(str(value))
        exposure.press("Enter")
        # A picture of this exposure, not only the knob's answer, which comes before it.
        until(page, f"frame.measures && Math.abs(frame.exposure_us - {value}) < 10")
        assert feature(viewed, "ExposureTime") == pytest.approx(value, abs=10)
    dark = page.evaluate("measures.mean")
    page.locator('[data-feature="ExposureTime"] input[type="range"]').first.press("PageUp")
    until(page, "knobs.get('ExposureTime').feature.value > 1500")
    assert feature(viewed, "ExposureTime") > 1500
    page.evaluate("knobs.get('ExposureTime').set(3000)")
    until(page, f"measures.mean > {dark} * 1.3")


def test_a_refused_value_is_told_beside_its_control(page: Page, viewed: ViewedCamera) -> None:
    gain = page.locator("#front-Gain")
    gain.fill("99")
    gain.press("Enter")
    error = page.locator("#front-Gain-error")
    expect(error).to_contain_text("Gain cannot be 99")
    gain.fill("3")
    gain.press("Enter")
    expect(error).to_be_empty()
    assert feature(viewed, "Gain") == pytest.approx(3, abs=0.1)


def test_a_format_switches_while_pictures_come(page: Page, viewed: ViewedCamera) -> None:
    format_knob = page.locator("#front-PixelFormat")
    expect(format_knob.locator("option", has_text="NV12")).to_have_count(1)
    format_knob.select_option("RGB8")
    until(page, "frame.format === 'RGB8' && !measures.grey")
    colours = seen(page).astype(int)
    assert np.ptp(colours, axis=2).max() > 100
    format_knob.select_option("Mono8")
    until(page, "frame.format === 'Mono8' && measures.grey")


def test_any_feature_is_found_and_set(page: Page, viewed: ViewedCamera) -> None:
    page.keyboard.press("/")
    page.keyboard.type("mirrors rev")
    expect(page.locator("#count")).to_have_text(re.compile(r"^2 of \d+$"))
    page.locator("#feature-ReverseX").check()
    until(page, "knobs.get('ReverseX').feature.value === true")
    assert feature(viewed, "ReverseX") is True
    page.locator("#feature-ReverseX").uncheck()
    until(page, "knobs.get('ReverseX').feature.value === false")


def test_zoom_pause_and_region_are_the_viewers_own(page: Page) -> None:
    page.keyboard.press("1")
    until(page, "scale === 1 && frame.shown.width <= picture.width")
    expect(page.locator("#zoom")).to_have_text("1:1")
    page.keyboard.press("Space")
    expect(page.locator("#state")).to_have_text("paused")
    # What was under way when the key was pressed is still shown, and is then the one that is held.
    until(page, "paused && !asked")
    held = shown_id(page)
    for _ in range(8):
        page.keyboard.press("+")
    until(page, "frame.shown.width < 100")
    assert shown_id(page) == held
    page.keyboard.press("0")
    until(page, "frame.shown.width === frame.width")
    box = page.locator("#picture").bounding_box()
    assert box
    page.keyboard.press("r")
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.7)
    page.mouse.up()
    until(page, "measures.region[0] === focusRegion[0] && measures.region[0] > frame.width * 0.4")
    page.keyboard.press("Space")
    until(page, f"frame.id > {held}")


def test_the_picture_that_is_shown_is_saved_whole(page: Page, tmp_path: Path) -> None:
    page.keyboard.press("Space")
    until(page, "paused && !asked")
    with page.expect_download() as download:
        page.locator("#save").click()
    assert download.value.suggested_filename == f"bench-1-{shown_id(page)}.png"
    download.value.save_as(tmp_path / "a.png")
    saved = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    assert saved is not None
    assert saved.shape == (380, 480)


def test_a_second_viewer_sees_what_the_first_one_sets(page: Page, browser: Browser, server: ViewServer) -> None:
    other = browser.new_page()
    other.goto(server.url)
    expect(other.locator("#state")).to_have_text("live")
    page.locator("#front-Gain").fill("7")
    page.locator("#front-Gain").press("Enter")
    expect(other.locator("#front-Gain")).to_have_value(re.compile(r"^(7|6\.9|7\.0)"))
    page.keyboard.press("Escape")
    page.keyboard.press("Space")
    expect(page.locator("#state")).to_have_text("paused")
    expect(other.locator("#state")).to_have_text("live")
    other.close()


def test_a_narrow_window_shows_everything_below_the_picture(page: Page) -> None:
    page.set_viewport_size({"width": 420, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    page.locator("#front-ExposureTime").scroll_into_view_if_needed()
    expect(page.locator("#front-ExposureTime")).to_be_in_viewport()


def test_a_lost_camera_is_told_and_comes_back(
    page: Page, camera_program: list[subprocess.Popen[str]], serve: Serve
) -> None:
    camera_program[-1].kill()
    expect(page.locator("#notice-title")).to_have_text("Camera lost")
    expect(page.locator("#state")).to_have_text("lost")
    camera_program.append(serve())
    expect(page.locator("#state")).to_have_text("live")
    expect(page.locator("#notice")).to_be_hidden()
    last = shown_id(page)
    until(page, f"frame.id !== {last}")


def test_a_program_that_has_ended_is_told(browser: Browser, viewed: ViewedCamera) -> None:
    page = browser.new_page()
    with ViewServer(viewed) as server:
        page.goto(server.url)
        expect(page.locator("#state")).to_have_text("live")
    expect(page.locator("#notice-text")).to_contain_text("start heliograph view again")
    page.close()


def test_who_may_only_look_has_no_control(browser: Browser, viewed: ViewedCamera) -> None:
    page = browser.new_page()
    with ViewServer(viewed, read_only=True) as server:
        page.goto(server.url)
        expect(page.locator("#looking")).to_be_visible()
        expect(page.locator("#front-ExposureTime")).to_be_disabled()
        page.evaluate(f"say({json.dumps({'type': 'set', 'name': 'Gain', 'value': 1})})")
        until(page, "knobs.get('Gain').error.includes('only to look')")
        page.close()
