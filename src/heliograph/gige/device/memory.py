"""What a camera remembers over restarts: its name and its user sets, in one JSON file that is whole or not there."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from heliograph.core import FeatureValue, OutputError
from heliograph.core.atomic import replace_file
from heliograph.gige.device.identity import check_name

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UserSet:
    """Settings that a client saved, under a number of the camera and a name of the client's."""

    description: str = ""
    settings: dict[str, FeatureValue] = field(default_factory=dict)
    """By feature, as `core.settings.snapshot` gives them; empty until the set is saved."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """The contents of the file."""

    user_name: str = ""
    default_set: str = ""
    user_sets: dict[str, UserSet] = field(default_factory=dict)


class CameraMemory:
    """The file of one camera in a folder, named by its serial number; without a folder nothing outlives the process.

    `factory` holds the settings that the camera came with, once they are known; they are not in the file.
    A file that is damaged is put aside with a warning, and the camera starts with nothing remembered.
    """

    def __init__(self, folder: Path | None, serial: str) -> None:
        self._path = folder / f"camera-{re.sub(r'[^A-Za-z0-9-]', '_', serial)}.json" if folder else None
        self.factory: dict[str, FeatureValue] | None = None
        self.remembered = self._read()

    def keep(self, **changes: Any) -> None:
        """Remember something else, by the names of `Remembered`, and write it.

        Raises `OutputError` when the folder cannot be written; nothing has changed then.
        """
        changed = replace(self.remembered, **changes)
        self._save(changed)
        self.remembered = changed

    def _save(self, remembered: Remembered) -> None:
        if self._path is None:
            return
        content = json.dumps(asdict(remembered), indent=1).encode()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, content)
        except OSError as error:
            raise OutputError(
                f"cannot keep the camera's settings in {self._path.parent} ({error.strerror or error}): "
                "give another folder with --state-dir"
            ) from error

    def _read(self) -> Remembered:
        if self._path is None:
            return Remembered()
        try:
            return _remembered(json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return Remembered()
        except OSError as error:
            _log.warning("cannot read %s (%s): the camera starts with factory settings", self._path, error.strerror)
        except (ValueError, RecursionError) as error:
            aside = self._path.with_suffix(".damaged")
            _log.warning("%s is damaged (%s): kept as %s, the camera starts anew", self._path, error, aside.name)
            try:
                self._path.replace(aside)
            except OSError as failure:
                _log.warning("cannot put %s aside: %s", self._path, failure.strerror)
        return Remembered()


def _remembered(raw: Any) -> Remembered:
    """Read the file's contents; raises `ValueError` when they are not what `save` writes."""
    user_sets = {}
    for name, each in _checked(raw, dict, "user_sets").items():
        settings = _checked(each, dict, "settings")
        if not all(isinstance(value, (int, float, bool, str)) for value in settings.values()):
            raise ValueError(f"a setting of {name} is no value")
        user_sets[name] = UserSet(_checked(each, str, "description"), settings)
    return Remembered(check_name(_checked(raw, str, "user_name")), _checked(raw, str, "default_set"), user_sets)


def _checked(raw: Any, kind: type, key: str) -> Any:
    value = raw.get(key) if isinstance(raw, dict) else None
    if not isinstance(value, kind):
        raise ValueError(f"no {key}")
    return value
