"""What is loaded when: a machine that only serves a camera has no OpenCV and no GenApi."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

HEAVY = ("cv2", "genicam", "matplotlib", "skimage", "scipy")
BLOCKED = f"""
import sys
for name in {HEAVY!r}:
    sys.modules[name] = None
"""


def python(code: str) -> str:
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_heliograph_alone_loads_next_to_nothing() -> None:
    loaded = python("import heliograph, sys; print(*sys.modules)").split()
    assert not {"numpy", "typer", "rich", "heliograph.core", *HEAVY} & set(loaded)


def test_the_program_starts_without_what_single_commands_need() -> None:
    loaded = python("import heliograph.cli, sys; print(*sys.modules)").split()
    assert not {*HEAVY, "heliograph.payload", "heliograph.gige.client"} & set(loaded)


def test_serving_needs_neither_opencv_nor_genapi() -> None:
    python(
        BLOCKED + "from heliograph.gige.device.server import GigeDeviceServer\n"
        "from heliograph.testing.addresses import loopback_address\n"
        "from heliograph.testing.camera import PatternCamera\n"
        "with loopback_address() as address, GigeDeviceServer(PatternCamera(), address): pass"
    )


def test_a_missing_library_is_one_line_with_the_line_that_installs_it(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    code = BLOCKED + "from heliograph.cli import main; main()"
    words = [sys.executable, "-c", code, "features", f"replay://{tmp_path}/a.png"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 9
    assert "pip install" in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["open", "Frame", "HeliographError", "PixelFormat"])
def test_public_names_come_from_the_root(name: str) -> None:
    assert python(f"import heliograph; print(heliograph.{name}.__name__)").strip() == name


def test_everything_that_is_installed_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [
        *project["project"]["dependencies"],
        *project["dependency-groups"]["dev"],
        *project["build-system"]["requires"],
    ]
    wanted += [each for extra in project["project"]["optional-dependencies"].values() for each in extra]
    names = {requirement_name(each) for each in wanted} - {"heliograph"}
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all("==" in pin and "://" not in pin for pin in pins)
    assert names <= {requirement_name(pin) for pin in pins}


def requirement_name(requirement: str) -> str:
    end = next((index for index, letter in enumerate(requirement) if letter in "[=<>~!; "), len(requirement))
    return requirement[:end].lower().replace("_", "-")


def test_only_one_module_knows_what_carries_the_link() -> None:
    """The rest speaks to `link.bus`: architecture page, "Packages"."""
    package = ROOT / "src" / "heliograph"
    importers = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if re.search(r"^\s*(import zenoh|from zenoh)\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert importers == ["link/zenoh.py"]


def test_a_node_loads_only_what_it_has() -> None:
    loaded = python("import heliograph.node.program, sys; print(*sys.modules)").split()
    assert not {"cv2", "genicam", "pymavlink", "serial", "skimage", "heliograph.sim.flight", "starlette"} & set(loaded)
