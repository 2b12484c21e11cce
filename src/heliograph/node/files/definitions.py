"""The commands about files."""

from __future__ import annotations

from heliograph.link.dictionary import Argument, CommandDefinition, Hazard

# A big file takes minutes to read; whoever waits can cancel it.
_READING_S = 3_600.0

_TRANSACTION = Argument(name="transaction", maximum=41, description="As files.transfers gives it, such as 12-345.")
_PRIORITY = Argument(
    name="priority", type="integer", minimum=-9, maximum=9, default=0, description="The higher goes first."
)

LIST = CommandDefinition(
    name="files.list",
    description="List a folder, or tell of one file; a page at a time.",
    arguments=(
        Argument(name="path", type="path", default=".", description="Folder or file; . is the root."),
        Argument(name="recursive", type="boolean", default=False, description="Also what is in folders below."),
        Argument(name="hashes", type="boolean", default=False, description="With the SHA-256 of every file."),
        Argument(name="after", default="", description="The last path of the page before."),
    ),
    timeout_s=_READING_S,
    cancellable=True,
)
DELETE = CommandDefinition(
    name="files.delete",
    description="Delete a file, a link or an empty folder.",
    arguments=(Argument(name="path", type="path"),),
    hazard=Hazard.CAUTION,
)
DOWNLINK = CommandDefinition(
    name="files.downlink",
    description="Queue a file for the ground; what is under way already goes on.",
    arguments=(
        Argument(name="path", type="path"),
        _PRIORITY,
        Argument(
            name="entity",
            type="integer",
            minimum=0,
            maximum=(1 << 32) - 1,
            optional=True,
            description="Who receives it, by the number in CFDP; the signing key's own unless given.",
        ),
    ),
    timeout_s=_READING_S,
    cancellable=True,
)
SEND_FILE = CommandDefinition(
    name="fileDownlink.SendFile",
    description="Queue a file for the ground, as F Prime's component has it; paths begin at the root.",
    arguments=(
        Argument(name="sourceFileName", maximum=1024),
        Argument(name="destFileName", default="", maximum=255, description="As the ground should call it."),
    ),
    timeout_s=_READING_S,
    cancellable=True,
)
UPLINK = CommandDefinition(
    name="files.uplink",
    description="Announce a file that the ground sends, as heliograph uplink does.",
    arguments=(
        Argument(name="destination", type="path", description="The file's name on board, folders included."),
        Argument(name="size_bytes", type="integer", unit="bytes", minimum=0),
        Argument(name="sha256", minimum=64, maximum=64, description="Of the whole file, in hexadecimal digits."),
        Argument(name="transaction", maximum=41, description="Of the sender, such as 12-345."),
        Argument(name="replace", type="boolean", default=False, description="Take the place of a file that is there."),
        _PRIORITY,
    ),
    timeout_s=_READING_S,
    cancellable=True,
)
TRANSFERS = CommandDefinition(
    name="files.transfers", description="List the transfers under way, and the last of those that are over."
)


def of_transfer(name: str, description: str) -> CommandDefinition:
    """Give the definition of a command about one transfer."""
    return CommandDefinition(name=name, description=description, arguments=(_TRANSACTION,))
