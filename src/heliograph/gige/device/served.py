"""All features of a served camera as one: its own, and those that being on a network adds."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection

from heliograph.core import Feature, FeatureNotFoundError, Features, FeatureValue

_log = logging.getLogger(__name__)

_NODE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class ServedFeatures(Features):
    """Features of several sources by name; the first source that has a name serves it.

    `hidden` names are served by others, as registers that every device has. Names that GenICam cannot have are left
    out with a warning.
    """

    def __init__(self, hidden: Collection[str] = ()) -> None:
        self._hidden = hidden
        self._sources: dict[str, Features] = {}

    def add(self, source: Features) -> None:
        """Add the features of a source."""
        for name in source.names():
            if name in self._hidden or name in self._sources:
                continue
            if not _NODE_NAME.fullmatch(name):
                _log.warning("feature %r cannot be served: GenICam names have letters, digits and _ only", name)
                continue
            self._sources[name] = source

    def names(self) -> list[str]:
        """Names of all features, in the order of their sources."""
        return list(self._sources)

    def describe(self, name: str) -> Feature:
        """What the feature is and its limits now."""
        return self._source(name).describe(name)

    def __getitem__(self, name: str) -> FeatureValue:
        return self._source(name)[name]

    def __setitem__(self, name: str, value: object) -> None:
        self._source(name)[name] = value

    def execute(self, name: str) -> None:
        """Run a command feature and wait until it is done."""
        self._source(name).execute(name)

    def _source(self, name: str) -> Features:
        try:
            return self._sources[name]
        except KeyError:
            raise FeatureNotFoundError(f"the camera has no feature {name!r}") from None
