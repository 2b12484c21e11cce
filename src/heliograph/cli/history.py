"""What an archive has: the newest values, samples between two times, and a table of one stream."""

from __future__ import annotations

import csv
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import typer

from heliograph.cli.readings import Reading, in_words, json_lines, lines, readings
from heliograph.cli.terminal import shown
from heliograph.core import NodeNotFoundError, OutputError, SettingError
from heliograph.link.archive import Archive
from heliograph.link.channel import Value
from heliograph.link.intake import Samples


def archived_node(archive: Archive, text: str) -> str:
    """Give the id of a node in an archive, by its name or the beginning of its id. Raises `NodeNotFoundError`."""
    nodes = archive.nodes()
    found = [id_ for id_, name in nodes.items() if name == text]
    found = found or [id_ for id_ in nodes if text and id_.startswith(text.lower())]
    if len(found) == 1:
        return found[0]
    there = ", ".join(f"{name or 'without a name'} ({id_})" for id_, name in nodes.items()) or "nothing"
    what = f"{len(found)} nodes are called {text!r}" if found else f"the archive has no node {text!r}"
    raise NodeNotFoundError(f"{what}: say which by its id; in it there is {there}")


def check_streams(archive: Archive, node: str, streams: Collection[str]) -> None:
    """Raise `SettingError` for a stream that an archive has nothing of."""
    there = [each.stream.name for each in archive.newest(node)]
    if unknown := [each for each in streams if each not in there]:
        raise SettingError(f"the archive has no stream {unknown[0]!r}: it has {', '.join(there) or 'none'}")


def newest(archive: Archive, node: str, streams: Collection[str]) -> list[Reading]:
    """Give the newest value of each channel, and tell what is missing of the run that it is of."""
    found: list[Reading] = []
    for each in archive.newest(node):
        if streams and each.stream.name not in streams:
            continue
        offset_ns = each.ground_minus_boot_ns
        # By our own clock where it was measured, as the node's may be wrong.
        taken_ns = int(each.wall_times_ns[-1] if offset_ns is None else each.boot_times_ns[-1] + offset_ns)
        found += readings(each, (time.time_ns() - taken_ns) / 1e9)
        _tell_gaps(archive, node, each)
    return found


def _tell_gaps(archive: Archive, node: str, samples: Samples) -> None:
    gaps = archive.gaps(node, samples.boot, samples.stream.name)
    lost = sum(gap.count for gap in gaps if gap.dropped)
    missing = sum(gap.count for gap in gaps) - lost
    told = ", ".join(
        f"{count} samples {what}"
        for count, what in ((missing, "are missing"), (lost, "were dropped on board"))
        if count
    )
    if told:
        typer.echo(shown(f"{samples.stream.name}: {told} of the run that the newest is of"), err=True)


def print_samples(
    archive: Archive, node: str, streams: Collection[str], after_ns: int, before_ns: int, as_json: bool
) -> None:
    """Print a line for each sample between two times, stream by stream."""
    names = streams or [each.stream.name for each in archive.newest(node)]
    for name in names:
        for samples in archive.samples(node, name, after_ns, before_ns):
            for line in json_lines(samples) if as_json else lines(samples):
                typer.echo(line)


def write_csv(archive: Archive, node: str, stream: str, after_ns: int, before_ns: int, file: Path) -> int:
    """Write a stream's samples between two times to a file, which appears whole; gives how many there were.

    Raises `SettingError` where the channels changed between the two, `OutputError`.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        with part.open("w", newline="", encoding="utf-8") as stream_of_text:
            count = 0
            head: list[str] = []
            writer = csv.writer(stream_of_text)
            for samples in archive.samples(node, stream, after_ns, before_ns):
                columns = [each.name for each in samples.stream.channels]
                if not head:
                    head = columns
                    writer.writerow([*_COLUMNS, *head])
                elif columns != head:
                    begin = _iso(samples.wall_times_ns)[0]
                    raise SettingError(f"the channels of {stream} changed at {begin}: write before and after it apart")
                writer.writerows(_rows(samples))
                count += len(samples)
        part.replace(file)
    except OSError as error:
        raise OutputError(f"cannot write {file} ({error.strerror}): is there room, and may you write there?") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return count


_COLUMNS = ("time", "ground_time", "clock_synchronised", "boot", "sequence", "boot_time_s")


def _rows(samples: Samples) -> Iterator[tuple[object, ...]]:
    times, offset_ns = _iso(samples.wall_times_ns), samples.ground_minus_boot_ns
    ground = [""] * len(times) if offset_ns is None else _iso(samples.boot_times_ns + offset_ns)
    values = samples.stream.unpack(samples.rows.tobytes())
    synchronised = "yes" if samples.synchronised else "no"
    for at, (number, boot_time_ns) in enumerate(
        zip(samples.sequences.tolist(), samples.boot_times_ns.tolist(), strict=True)
    ):
        seconds = f"{boot_time_ns // 10**9}.{boot_time_ns % 10**9:09}"
        yield (times[at], ground[at], synchronised, samples.boot, number, seconds, *map(_cell, values[at]))


def _cell(value: Value) -> Value:
    return in_words(value) if isinstance(value, bool) else value


def _iso(times_ns: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> list[str]:
    """Give times in UTC with microseconds."""
    return [f"{each}Z" for each in np.datetime_as_string(times_ns.astype("datetime64[ns]"), unit="us").tolist()]
