import hashlib
import json
import zipfile
from pathlib import Path

from heliograph.testing.signatures import PICAMERA2, signatures

SOURCE = '''
class Camera:
    """A camera."""

    @property
    def name(self) -> str: ...

    @staticmethod
    def find(wanted: str, *, all: bool = False) -> list[str]: ...

    @overload
    def grab(self, wait: None = ...) -> None: ...

    def grab(self, wait=None, queue: int = 4): ...

    def _secret(self): ...

    def __init__(self, number=0, tuning: dict = {}): ...

class Other: ...
'''


def test_public_names_and_parameters_are_taken_out_of_a_wheel(tmp_path: Path) -> None:
    wheel = tmp_path / "lib-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("lib/camera.py", SOURCE)
    assert signatures(wheel, {"lib.camera": ("Camera",)}) == {
        "wheel": wheel.name,
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "classes": {
            "Camera": {
                "properties": ["name"],
                "static": ["find"],
                "methods": {
                    "__init__": "self, number=0, tuning={}",
                    "find": "wanted, *, all=False",
                    "grab": "self, wait=None, queue=4",
                },
            }
        },
    }


def test_the_committed_signatures_are_those_of_the_classes_that_are_asked_for() -> None:
    vector = json.loads((Path(__file__).parents[1] / "vectors" / "picamera2-0.3.38.json").read_text())
    assert vector["wheel"] == "picamera2-0.3.38-py3-none-any.whl"
    assert set(vector["classes"]) == {name for names in PICAMERA2.values() for name in names}
    assert vector["classes"]["MappedArray"]["methods"]["__init__"] == "self, request, stream, reshape=True, write=True"
