"""Camera URLs: `scheme://location?parameter=value`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, unquote

from heliograph.core import CameraUrlError


@dataclass(frozen=True, slots=True)
class CameraUrl:
    """A camera URL, taken apart.

    >>> CameraUrl.parse("sim://red-giant?seed=7")
    CameraUrl(text='sim://red-giant?seed=7', scheme='sim', location='red-giant', parameters={'seed': '7'})
    """

    text: str
    scheme: str
    location: str
    """What stands between `://` and `?`: a scene, a path, a name or an address."""
    parameters: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> CameraUrl:
        """Take a URL apart; raises `CameraUrlError` when it is none."""
        scheme, separator, rest = text.partition("://")
        if not separator or not scheme:
            raise CameraUrlError(f"{text!r} is no camera URL: write scheme://…, for example gige://cam-1")
        location, _, query = rest.partition("?")
        return cls(text, scheme.lower(), unquote(location), dict(parse_qsl(query, keep_blank_values=True)))

    def with_parameters(self, **parameters: str) -> CameraUrl:
        """Give this URL with parameters added or changed."""
        return replace(self, parameters={**self.parameters, **parameters})

    def check_parameters(self, *known: str) -> None:
        """Raise `CameraUrlError` when the URL has a parameter that is not among `known`."""
        for name in self.parameters:
            if name not in known:
                raise CameraUrlError(
                    f"{self.scheme}:// knows no parameter {name!r}; it has {', '.join(known) or 'none'}"
                )

    def number(self, name: str, default: float) -> float:
        """Give a parameter as a number; raises `CameraUrlError` when it is none."""
        try:
            return float(self.parameters.get(name, default))
        except ValueError:
            raise CameraUrlError(f"{name} in {self.text!r} is no number") from None
