"""Where a node's dictionary comes from: the node, or a file, for work on sequences without a link."""

from __future__ import annotations

from pathlib import Path

import msgspec

from heliograph.core import LinkLostError, MessageVersionError, OutputError, SourceError, SourceNotFoundError
from heliograph.core.atomic import replace_file
from heliograph.link.bus import Bus
from heliograph.link.dictionary import Dictionary
from heliograph.link.message import decode
from heliograph.link.topic import DICTIONARY, topic


class _Saved(msgspec.Struct, frozen=True):
    kind: str
    version: int
    fields: msgspec.Raw


def fetch_dictionary(bus: Bus, node: str) -> Dictionary:
    """Give what a node, by its id, can be told. Raises `LinkLostError` when it does not answer."""
    for _, answer in bus.ask(topic(node, DICTIONARY)):
        return decode(answer, Dictionary)
    raise LinkLostError("the node does not say what it can be told: try again when the link is back")


def write_dictionary(path: Path, dictionary: Dictionary) -> None:
    """Write a dictionary as JSON, whole or not at all. Raises `OutputError`."""
    content = msgspec.json.encode({"kind": Dictionary.KIND, "version": Dictionary.VERSION, "fields": dictionary})
    try:
        replace_file(path, msgspec.json.format(content) + b"\n")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


def read_dictionary(path: Path) -> Dictionary:
    """Read a dictionary that `write_dictionary` wrote.

    Raises `SourceNotFoundError`, `SourceError` for another file, `MessageVersionError` for one of a newer program.
    """
    try:
        saved = msgspec.json.decode(path.read_bytes(), type=_Saved)
        if saved.kind != Dictionary.KIND:
            raise SourceError(f"{path} holds no dictionary: `heliograph sequence dictionary NODE {path}` writes one")
        if saved.version > Dictionary.VERSION:
            raise MessageVersionError(f"{path} is of a newer heliograph: bring this one up to date")
        return msgspec.json.decode(saved.fields, type=Dictionary)
    except FileNotFoundError as error:
        raise SourceNotFoundError(
            f"there is no {path}: `heliograph sequence dictionary NODE {path}` writes it"
        ) from error
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SourceError(f"{path} holds no dictionary ({error})") from error
