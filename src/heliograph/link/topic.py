"""Where on the bus things are said: `heliograph/<node>/…`, a node being the first 16 hexadecimal digits of its key."""

from __future__ import annotations

ROOT = "heliograph"
ANY = "*"

# Answered by the node.
HELLO = "hello"
"""Asked with `Challenge`, answered with `Signed` of `Hello`."""
DICTIONARY = "dictionary"
"""Answered with `Dictionary`."""
COMMAND = "command"
"""Asked with `Signed` of `Command`, answered with `Answer`."""
JOURNAL = "journal"
"""Asked with `JournalRequest`, answered with `Journal`: what became of commands."""
EVENTS = "events"
"""Asked with `EventsRequest`, answered with `Events` from the archive on board."""
LATEST = "latest"
"""Answered with `Latest`: the newest sample of every stream."""

# Said by the node.
ALIVE = "alive"
"""A liveliness token."""
STAGE = "stage"
"""`StageReport` of commands, as they happen."""
BLOCKS = "blocks"
"""`Block` of telemetry and events, live and from the backlog; below it the stream's name."""

# Said to the node.
ACKNOWLEDGE = "acknowledge"
"""`Signed` of `Acknowledge`, by the archive."""


def topic(node: str, *words: str) -> str:
    """Give the key expression for a node (or `ANY`) and what is said of it.

    >>> topic("9f86d081884c7d65", BLOCKS, "health")
    'heliograph/9f86d081884c7d65/blocks/health'
    """
    return "/".join((ROOT, node, *words))


def collector_topic(node: str, collector: str) -> str:
    """Give the key of the liveliness token by which an archive says that it listens to a node (or `ANY`)."""
    return topic(node, "collector", collector)


def node_of(key: str) -> str:
    """Give the node that a key is about.

    >>> node_of("heliograph/9f86d081884c7d65/alive")
    '9f86d081884c7d65'
    """
    return key.split("/", 2)[1]
