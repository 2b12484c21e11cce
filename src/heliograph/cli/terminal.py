"""What a terminal may be shown."""

from __future__ import annotations

from heliograph.core import Layout, PixelFormat

_SHORT = (Layout.NV12, Layout.NV21)


def shown(text: object) -> str:
    r"""Give a text without control characters: names come from the network, and a terminal obeys what they say.

    >>> shown("cam\x1b[2J 1"), shown("two\nlines")
    ('cam�[2J 1', 'two lines')
    """
    return "".join(each if each.isprintable() else " " if each.isspace() else "\ufffd" for each in str(text))


def short_format(name: str) -> str:
    """Give the name that people have for a pixel format, which may be unknown here; every command takes it too.

    >>> short_format("YCbCr420_8_YY_CbCr_Semiplanar"), short_format("Mono8"), short_format("BayerRG12p")
    ('NV12', 'Mono8', 'BayerRG12p')
    """
    known = PixelFormat.__members__.get(name)
    return known.layout.name if known and known.layout in _SHORT else name
