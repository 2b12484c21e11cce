"""User sets: all settings of a camera under a name, saved and loaded by the camera itself."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from heliograph.core import (
    Feature,
    FeatureAccessError,
    FeatureKind,
    FeatureNotFoundError,
    Features,
    FeatureValue,
    LocalFeatures,
)
from heliograph.core.settings import apply, snapshot
from heliograph.gige.device.memory import CameraMemory, UserSet

FACTORY = "Default"
"""The set that the camera came with; it cannot be saved."""

_SETS = tuple(f"UserSet{number}" for number in range(1, 9))
# Presets come and go with versions; the numbers of what clients save stay.
_FIRST_PRESET = 0x100
_CATEGORY = "UserSetControl"

_log = logging.getLogger(__name__)


class UserSets(LocalFeatures):
    """The features that save and load the settings of a camera.

    `presets` are further sets that cannot be saved, by the names people know them by. Settings are put whole or not at
    all; while frames stream, a set that would change their shape is refused.
    """

    def __init__(
        self, settings: Features, memory: CameraMemory, presets: Mapping[str, Mapping[str, FeatureValue]]
    ) -> None:
        super().__init__()
        self._settings = settings
        self._memory = memory
        self._fixed = {_entry_name(name): UserSet(name, dict(preset)) for name, preset in presets.items()}
        self._selected = FACTORY
        self._add_features([FACTORY, *_SETS], [name for name in self._fixed if name not in (FACTORY, *_SETS)])

    def power_up(self) -> None:
        """Remember the settings of now as the factory's, and load the set that a client chose to start with.

        A camera that is served once more still has the factory settings of the first time.
        """
        if self._memory.factory is None:
            self._memory.factory = _factory_settings(self._settings)
        self._fixed[FACTORY] = UserSet("as the camera came", self._memory.factory)
        name = self._memory.remembered.default_set
        if not name or name == FACTORY:
            return
        try:
            self._load(name)
        except Exception as error:  # whatever a driver raises: the camera is served all the same
            _log.warning("the camera starts with factory settings, not with %s: %s", name, error)

    def _add_features(self, own: list[str], presets: list[str]) -> None:
        entries = {name: number for number, name in enumerate(own)}
        entries |= {name: _FIRST_PRESET + number for number, name in enumerate(presets)}
        selector = Feature(
            "UserSetSelector",
            FeatureKind.ENUMERATION,
            _CATEGORY,
            "Set that is loaded, saved or described.",
            entries=MappingProxyType(entries),
        )
        self.add(selector, read=lambda: self._selected, write=lambda name: setattr(self, "_selected", name))
        about = partial(Feature, category=_CATEGORY, selected_by=selector.name, streamable=False)
        self.add(
            about("UserSetDescription", FeatureKind.STRING, description="Name of the selected set."),
            read=lambda: self._set(self._selected).description,
            write=self._describe,
        )
        load = about("UserSetLoad", FeatureKind.COMMAND, description="Sets the camera as the selected set says.")
        self.add(load, write=lambda _: self._load(self._selected))
        save = about("UserSetSave", FeatureKind.COMMAND, description="Keeps the settings of now in the selected set.")
        self.add(save, write=lambda _: self._save())
        default = Feature(
            "UserSetDefault",
            FeatureKind.ENUMERATION,
            _CATEGORY,
            "Set that the camera starts with.",
            entries=selector.entries,
            streamable=False,
        )
        self.add(default, read=self._default, write=self._set_default)

    def _set(self, name: str) -> UserSet:
        return self._fixed.get(name) or self._memory.remembered.user_sets.get(name, UserSet())

    def _load(self, name: str) -> None:
        wanted = self._set(name)
        self._refuse_empty(name, wanted)
        try:
            apply(self._settings, wanted.settings)
        except FeatureNotFoundError as error:
            raise FeatureAccessError(f"{name} was saved by another version of the camera: {error}") from error

    def _save(self) -> None:
        name = self._writable()
        self._keep(name, UserSet(self._set(name).description, snapshot(self._settings)))

    def _describe(self, description: str) -> None:
        name = self._writable()
        self._keep(name, UserSet(description, self._set(name).settings))

    def _keep(self, name: str, user_set: UserSet) -> None:
        self._memory.keep(user_sets={**self._memory.remembered.user_sets, name: user_set})

    def _writable(self) -> str:
        if self._selected in self._fixed:
            raise FeatureAccessError(f"{self._selected} cannot be changed: save into one of {', '.join(_SETS)}")
        return self._selected

    def _default(self) -> str:
        name = self._memory.remembered.default_set
        return name if name in self.describe("UserSetDefault").entries else FACTORY

    def _set_default(self, name: str) -> None:
        self._refuse_empty(name, self._set(name))
        self._memory.keep(default_set=name)

    def _refuse_empty(self, name: str, user_set: UserSet) -> None:
        if name != FACTORY and not user_set.settings:
            raise FeatureAccessError(f"{name} is empty: save settings into it first")


def _factory_settings(features: Features) -> dict[str, FeatureValue]:
    try:
        return snapshot(features)
    except Exception as error:  # a driver with one feature that fails must not keep the others from being served
        _log.warning("the factory settings cannot be read, so UserSetLoad of %s does nothing: %s", FACTORY, error)
        return {}


def _entry_name(name: str) -> str:
    """Give a name that GenICam can have: letters, digits and _."""
    safe = re.sub(r"\W", "_", name, flags=re.ASCII)
    return safe if safe[:1].isalpha() else f"Set_{safe}"
