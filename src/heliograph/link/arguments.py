"""Arguments of commands, checked by the same rules on the ground and on board."""

from __future__ import annotations

import difflib
import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from heliograph.core import CommandRefusedError
from heliograph.link.dictionary import Argument, CommandDefinition

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
_LARGEST = 1 << 63
_INTEGER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)")


def check(definition: CommandDefinition, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Give every argument by its name, with defaults filled in; None stands for an optional one that was not given.

    >>> ping = CommandDefinition(name="ping", description="", arguments=(Argument(name="count", type="integer"),))
    >>> check(ping, {"count": 3})
    {'count': 3}

    Raises `CommandRefusedError`, whose message shows what is allowed and the usage.
    """
    named = {each.name: each for each in definition.arguments}
    for name in arguments:
        if name not in named:
            raise _refused(definition, f"no argument {_told(name)}{near(str(name), named)}")
    return {name: _checked(definition, each, arguments.get(name)) for name, each in named.items()}


def from_words(definition: CommandDefinition, words: Sequence[str]) -> dict[str, Any]:
    """Give the arguments that words stand for, checked: in their order, or as NAME=VALUE.

    >>> wait = CommandDefinition(name="wait", description="", arguments=(Argument(name="time", type="number"),))
    >>> from_words(wait, ["time=1.5"]) == from_words(wait, ["1.5"]) == {"time": 1.5}
    True

    Raises `CommandRefusedError`, whose message shows what is allowed and the usage.
    """
    named = {each.name: each for each in definition.arguments if each.type != "values"}
    rest = next((each for each in definition.arguments if each.type == "values"), None)
    given: dict[str, Any] = {}
    values: dict[str, str] = {}
    for word in words:
        name, equals, text = word.partition("=")
        free = next((each for each in named if each not in given), None)
        if equals and name in named:
            if name in given:
                raise _refused(definition, f"{name} is given twice")
            given[name] = _value(definition, named[name], text)
        elif free is not None:
            given[free] = _value(definition, named[free], word)
        elif rest is None:
            raise _refused(definition, f"{_told(word)} is one word too many")
        elif not equals or not name:
            raise _refused(definition, f"{_told(word)} is no setting: write NAME=VALUE")
        elif name in values:
            raise _refused(definition, f"{name} is given twice")
        else:
            values[name] = text
    if rest is not None and values:
        given[rest.name] = values
    return check(definition, given)


def usage(definition: CommandDefinition) -> str:
    """Give a command and its arguments in one line.

    >>> usage(CommandDefinition(name="wait", description="", arguments=(Argument(name="time", unit="s", minimum=0),)))
    'wait <time in s, at least 0 characters>'
    """
    return " ".join([definition.name, *(_shape(each) for each in definition.arguments)])


def near(name: str, known: Mapping[str, object] | Sequence[str]) -> str:
    """Give what somebody may have meant, as the end of a sentence; empty when nothing is like it."""
    found = difflib.get_close_matches(name[:100], list(known), n=3, cutoff=0.75)
    return f" (did you mean {' or '.join(found)}?)" if found else ""


def _checked(definition: CommandDefinition, argument: Argument, value: Any) -> Any:
    if value is None:
        if argument.default is not None:
            return argument.default
        if argument.optional:
            return {} if argument.type == "values" else None
        raise _refused(definition, f"{argument.name} is missing")
    # What a definition gives as its default need not pass for a value: an empty path may stand for the root.
    if type(value) is type(argument.default) and value == argument.default:
        return value
    if (verdict := _TYPES.get(argument.type)) is None:
        raise _refused(definition, f"{argument.name} is of a type that this program does not know: bring it up to date")
    reason, taken = verdict(argument, value)
    if not reason and argument.choices and str(taken) not in argument.choices:
        reason = f"must be {_choices(argument)}"
    if reason:
        raise _refused(definition, f"{argument.name} {reason}, not {_told(value)}")
    return taken


Verdict = tuple[str, Any]
"""What a value must be where it is wrong, else empty; and the value."""


def _text(argument: Argument, value: Any) -> Verdict:
    if not isinstance(value, str):
        return "must be a text", value
    if _has(value, "Cs"):
        return "must be valid UTF-8", value
    return _within(argument, len(value), " characters"), value


def _path(argument: Argument, value: Any) -> Verdict:
    reason, _ = _text(argument, value)
    if reason:
        return reason, value
    if not value:
        return "must be a path (. is the root)", value
    if value.startswith("/"):
        return "must be a relative path, below the node's file root", value
    if ".." in value.split("/"):
        return "must stay below the node's file root, without ..", value
    # Line and paragraph separators break lines too.
    return ("must have no control characters" if _has(value, "Cc", "Zl", "Zp") else ""), value


def _integer(argument: Argument, value: Any) -> Verdict:
    if not isinstance(value, int) or isinstance(value, bool):
        return "must be a whole number", value
    if not -_LARGEST <= value < _LARGEST:
        return "must fit 64 bits", value
    return _within(argument, value), value


def _number(argument: Argument, value: Any) -> Verdict:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "must be a number", value
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "must fit 64 bits", value
    if not math.isfinite(value):
        return "must be a finite number", value
    return _within(argument, float(value)), float(value)


def _boolean(_: Argument, value: Any) -> Verdict:
    return ("" if isinstance(value, bool) else "must be true or false"), value


def _values(argument: Argument, value: Any) -> Verdict:
    if not isinstance(value, dict) or not all(isinstance(each, str) for pair in value.items() for each in pair):
        return "must be a map of texts, NAME=VALUE each", value
    if not value and not argument.optional:
        return "must have one NAME=VALUE at least", value
    return ("must be valid UTF-8" if any(_has(each, "Cs") for pair in value.items() for each in pair) else ""), value


_TYPES: dict[str, Callable[[Argument, Any], Verdict]] = {
    "text": _text,
    "path": _path,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "values": _values,
}


def _has(text: str, *categories: str) -> bool:
    return any(unicodedata.category(each) in categories for each in text)


def _within(argument: Argument, value: float, of: str = "") -> str:
    low, high = argument.minimum, argument.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        return f"must be {_range(argument)}{of or _unit(argument)}"
    return ""


def _range(argument: Argument) -> str:
    low, high = argument.minimum, argument.maximum
    if low is not None and high is not None:
        return f"{low:.12g} to {high:.12g}" if low < high else f"{low:.12g}"
    return f"at least {low:.12g}" if low is not None else f"at most {high:.12g}" if high is not None else ""


def _unit(argument: Argument) -> str:
    return f" {argument.unit}" if argument.unit else ""


def _choices(argument: Argument) -> str:
    return " or ".join((", ".join(argument.choices[:-1]), argument.choices[-1])).removeprefix(" or ")


def _shape(argument: Argument) -> str:
    if argument.type == "values":
        return "[NAME=VALUE...]" if argument.optional else "NAME=VALUE..."
    shape = argument.name
    if argument.unit:
        shape += f" in {argument.unit}"
    if argument.choices:
        shape += f": {'|'.join(argument.choices)}"
    elif argument.type == "boolean":
        shape += ": true|false"
    if span := _range(argument):
        shape += f", {span}{' characters' if argument.type in ('text', 'path') else ''}"
    if argument.default is not None:
        shown = str(argument.default).lower() if isinstance(argument.default, bool) else argument.default
        return f"[{shape}; {shown!r}]" if shown == "" else f"[{shape}; {shown}]"
    return f"[{shape}]" if argument.optional else f"<{shape}>"


def _value(definition: CommandDefinition, argument: Argument, word: str) -> Any:
    """Give what a word stands for; one that stands for nothing of this type stays a text, which `check` refuses."""
    if argument.type == "boolean":
        return word.lower() in _TRUE if word.lower() in _TRUE + _FALSE else word
    if argument.type == "integer" and _INTEGER.fullmatch(word) and len(word) <= 100:
        return int(word, 16 if "x" in word.lower() else 10)
    if argument.type == "number" and "_" not in word:
        try:
            return float(word)
        except ValueError:
            return word
    return word


def _told(value: object) -> str:
    told = repr(value)
    return told if len(told) <= 60 else f"{told[:60]}…"


def _refused(definition: CommandDefinition, reason: str) -> CommandRefusedError:
    return CommandRefusedError(f"{definition.name}: {reason}; usage: {usage(definition)}")
