"""`heliograph calibrate`: a camera's intrinsics from views of a board."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import heliograph
from heliograph.cli.argument import JsonOption, SetOption, assignment, camera_url
from heliograph.cli.table import show
from heliograph.core import Camera, Geometry, OutputError, SettingError
from heliograph.core.atomic import replace_file
from heliograph.core.state import calibration_file

if TYPE_CHECKING:
    from heliograph.desk.board import Board
    from heliograph.desk.calibration import Calibration, Collector

_PLACEHOLDERS = ("", "0")


def calibrate(
    cam: Annotated[str, typer.Argument(metavar="[CAM]", help="Camera URL, or name, serial, MAC or address.")] = "",
    chessboard: Annotated[
        str | None, typer.Option("--board", metavar="COLSxROWS", help="Chessboard, by its inner corners: 9x6.")
    ] = None,
    charuco: Annotated[
        str | None, typer.Option("--charuco", metavar="COLSxROWS", help="ChArUco board, by its squares: 8x5.")
    ] = None,
    square_mm: Annotated[float, typer.Option("--square-mm", help="Side of a square, as measured.", min=0.0)] = 25.0,
    board_image: Annotated[
        Path | None, typer.Option("--board-image", help="Write the board to print: .pdf or .png; needs no camera.")
    ] = None,
    views: Annotated[int, typer.Option("--views", help="Views to collect at least.", min=6, max=200)] = 15,
    k3: Annotated[bool, typer.Option("--k3", help="One more distortion term, for lenses of more than 90°.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File for the intrinsics, or for the picture of --pose.")
    ] = None,
    pose: Annotated[bool, typer.Option("--pose", help="Instead, say where the board is, and draw its axes.")] = False,
    calibration: Annotated[
        str, typer.Option("--calibration", metavar="FILE", help="Intrinsics for --pose; auto is the camera's own.")
    ] = "auto",
    settings: SetOption = None,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds to wait for a picture.", min=0.0)] = 5.0,
    as_json: JsonOption = False,
) -> None:
    """Find a camera's focal lengths, centre and distortion by showing it a board.

    Views that add something are kept by themselves. Ctrl-C ends collecting and calibrates with what there is.
    """
    board = _board(chessboard, charuco, square_mm)
    if board_image is not None:
        board.print_to(board_image)
        typer.echo(f"{board_image}: print it at 100 %, glue it on something flat, measure a square")
        return
    if not cam:
        raise SettingError("name a camera, or give --board-image to print a board")
    if pose:
        _show_pose(cam, board, calibration, output, settings, timeout_s, as_json)
        return
    replayed = camera_url(cam).startswith(("replay:", "file:"))
    with _opened(cam, settings) as camera:
        # A replay's serial number is that of its files, not of the camera that took the pictures.
        known = "DeviceSerialNumber" in camera.features and not replayed
        serial = str(camera.features["DeviceSerialNumber"]) if known else ""
        path = _path(output, serial)
        geometry = Geometry.of(camera.features)
        collector = _collect(camera, board, views, timeout_s, live=not replayed)
    found = collector.calibrate(geometry, "" if serial in _PLACEHOLDERS else serial, k3=k3)
    _write(path, found.intrinsics.to_json())
    _report(found, path, as_json)


def _board(chessboard: str | None, charuco: str | None, square_mm: float) -> Board:
    from heliograph.desk.board import Board, BoardKind

    if (chessboard is None) == (charuco is None):
        raise SettingError("name one board: --board 9x6 (inner corners of a chessboard) or --charuco 8x5 (squares)")
    if chessboard is not None:
        return Board.parse(chessboard, square_mm)
    return Board.parse(charuco or "", square_mm, BoardKind.CHARUCO)


def _opened(cam: str, settings: list[str] | None, calibration: str | None = None) -> Camera:
    values = [assignment(setting) for setting in settings or ()]
    camera = heliograph.open(camera_url(cam), calibration=calibration)
    try:
        for name, value in values:
            camera.features[name] = value
    except BaseException:
        camera.close()
        raise
    return camera


def _path(output: Path | None, serial: str) -> Path:
    if output is not None:
        if not output.parent.is_dir():
            raise OutputError(f"cannot write {output}: there is no folder {output.parent}; make it first")
        return output
    if serial in _PLACEHOLDERS:
        raise SettingError("this camera has no serial number to keep its intrinsics by: give --output FILE")
    return calibration_file(serial)


def _collect(camera: Camera, board: Board, views: int, timeout_s: float, *, live: bool) -> Collector:
    from heliograph.cli.collecting import collecting
    from heliograph.desk.calibration import Collector, collect

    collector = Collector(board, moving=live)
    frames = camera.frames(timeout_s=timeout_s, policy="newest" if live else "all")
    with collecting(collector, views) as tell, suppress(KeyboardInterrupt):
        for _, verdict in collect(collector, frames, views):
            tell(verdict)
    return collector


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode())
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def _report(found: Calibration, path: Path, as_json: bool) -> None:
    lens = found.intrinsics
    row = {
        "fx": round(lens.fx, 3),
        "fy": round(lens.fy, 3),
        "cx": round(lens.cx, 3),
        "cy": round(lens.cy, 3),
        "rms_px": round(lens.rms_px, 4),
        "worst_view_px": round(max(found.errors_px), 4),
        "focal_doubt_px": round(found.focal_doubt_px, 3),
        "views": len(found.errors_px),
        "left_out": found.left_out,
    }
    show([{**row, "file": str(path)} if as_json else row], as_json)
    if not as_json:
        typer.echo(f"\n{path}")


def _show_pose(
    cam: str,
    board: Board,
    calibration: str,
    output: Path | None,
    settings: list[str] | None,
    timeout_s: float,
    as_json: bool,
) -> None:
    from heliograph.core.convert import opencv
    from heliograph.core.picture import check_picture_path
    from heliograph.desk.pose import board_pose, draw_pose

    if output is not None:
        check_picture_path(output)
        if output.suffix.lower() == ".npy":
            raise OutputError(f"cannot write {output}: axes are drawn on a .png or .tif")
    with _opened(cam, settings, calibration) as camera:
        frame = camera.grab(timeout_s)
    found = board_pose(frame, board)
    if output is not None:
        _, content = opencv().imencode(output.suffix.lower(), draw_pose(frame, board, found))
        try:
            replace_file(output, bytes(content))
        except OSError as error:
            raise OutputError(f"cannot write {output}: {error.strerror or error}") from error
    x_mm, y_mm, z_mm = found.translation_mm
    row = {
        "x_mm": round(x_mm, 2),
        "y_mm": round(y_mm, 2),
        "z_mm": round(z_mm, 2),
        "distance_mm": round(found.distance_mm, 2),
        "tilt_degrees": round(found.tilt_degrees, 2),
        "rms_px": round(found.rms_px, 3),
    }
    show([{**row, "rotation": found.rotation} if as_json else row], as_json)
