"""What is wrong in a node.toml, in the words of TOML: msgspec tells it in those of Python."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, get_args

import msgspec

from heliograph.link.arguments import near

_PLACE = re.compile(r" - at `\$\.?(?P<place>[^`]*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>.*)`")
_MISSING = re.compile(r"Object missing required field `(?P<key>.*)`")
_CHOICE = re.compile(r"Invalid enum value (?P<value>.*)")
_TYPE = re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<given>[^`]*)`")
_WORDS = {
    "str": 'a text ("…")',
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list ([…])",
    "object": "a table",
}


def complaint(message: str, tables: Mapping[str, type]) -> str:
    """Say what msgspec says, with what belongs there; `tables` are the structs by their tables' names, "" the whole.

    >>> complaint("Expected `array`, got `str` - at `$.link.listen`", {})
    'it must be a list ([…]), not a text ("…") (at link.listen)'
    """
    found = _PLACE.search(message)
    place = found["place"] if found else ""
    told = _PLACE.sub("", message)
    if unknown := _UNKNOWN.fullmatch(told):
        known = _fields(tables, place)
        told = f"there is no key `{unknown['key']}`{near(unknown['key'], known) or _all(known)}"
    elif missing := _MISSING.fullmatch(told):
        told = f"`{missing['key']}` is missing"
    elif choice := _CHOICE.fullmatch(told):
        table, _, key = place.rpartition(".")
        told = f"{choice['value']} is not possible{_all(_choices(_fields(tables, table).get(key)))}"
    elif kind := _TYPE.fullmatch(told):
        # TOML has no null: a key is left out.
        words = ((each for each in text.split(" | ") if each != "null") for text in kind.groups())
        wanted, given = (" or ".join(_WORDS.get(word, word) for word in each) for each in words)
        told = f"it must be {wanted}, not {given}"
    return f"{told} (at {place})" if place else told


def _fields(tables: Mapping[str, type], place: str) -> dict[str, Any]:
    """Give the keys of the table at a place such as `camera[0]`, with their types."""
    table = tables.get(re.sub(r"\[\d+\]", "", place))
    return {} if table is None else {each.name: each.type for each in msgspec.structs.fields(table)}


def _choices(type_: Any) -> list[str]:
    if isinstance(type_, type) and issubclass(type_, Enum):
        return [str(each.value) for each in type_]
    return [str(each) for each in get_args(type_)]


def _all(known: Mapping[str, Any] | list[str]) -> str:
    return f": there are {', '.join(known)}" if known else ""
