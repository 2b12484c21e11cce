"""Features of a camera that may be opened again: what was set is remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from heliograph.core import Feature, Features, FeatureValue


class RecordedFeatures(Features):
    """The features of the camera that `present` gives, and in `settings` what they were set to.

    Names of settings are those of `core.settings.snapshot`.
    """

    def __init__(self, present: Callable[[], Features]) -> None:
        self._present = present
        self._settings: dict[str, FeatureValue] = {}

    @property
    def settings(self) -> Mapping[str, FeatureValue]:
        """What to give the camera when it comes back."""
        return self._settings

    def remember(self, settings: Mapping[str, FeatureValue]) -> None:
        """Remember these settings instead of the present ones."""
        self._settings = dict(settings)

    def names(self) -> list[str]:
        """Names of all features, in the order of their categories."""
        return self._present().names()

    def describe(self, name: str) -> Feature:
        """What the feature is and its limits now."""
        return self._present().describe(name)

    def __contains__(self, name: object) -> bool:
        return name in self._present()

    def __getitem__(self, name: str) -> FeatureValue:
        return self._present()[name]

    def __setitem__(self, name: str, value: object) -> None:
        features = self._present()
        features[name] = value
        feature = features.describe(name)
        if feature.streamable and not name.endswith("Selector"):
            key = f"{name}[{features[feature.selected_by]}]" if feature.selected_by else name
            self._settings[key] = features[name]

    def execute(self, name: str) -> None:
        """Run a command feature and wait until it is done."""
        self._present().execute(name)
