"""What a terminal may be shown."""

from __future__ import annotations


def shown(text: object) -> str:
    r"""Give a text without control characters: names come from the network, and a terminal obeys what they say.

    >>> shown("cam\x1b[2J 1"), shown("two\nlines")
    ('cam�[2J 1', 'two lines')
    """
    return "".join(each if each.isprintable() else " " if each.isspace() else "\ufffd" for each in str(text))
