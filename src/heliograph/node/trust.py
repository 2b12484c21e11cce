"""Commands that change whom the node trusts."""

from __future__ import annotations

from typing import Any

from heliograph.core import CommandRefusedError
from heliograph.link.dictionary import Argument, CommandDefinition, Hazard, Role
from heliograph.link.keys import PublicKey
from heliograph.link.signature import proves_rotation
from heliograph.link.trust import Trust
from heliograph.node.call import Call, Command

_KEY = Argument(name="key", description="Public key: a line of OpenSSH (in quotes), or 64 hexadecimal digits.")
_LIST = CommandDefinition(name="key.list", description="List the keys that the node trusts, with their roles.")
_ADD = CommandDefinition(
    name="key.add",
    description="Trust a key; one with the role archive acknowledges telemetry, and there is one at most.",
    arguments=(
        _KEY,
        Argument(name="role", choices=tuple(each.value for each in Role), description="What the key may do."),
        Argument(name="label", default="", maximum=100, description="Whose it is, for people."),
    ),
    role=Role.ADMIN,
    hazard=Hazard.CAUTION,
)
_REVOKE = CommandDefinition(
    name="key.revoke",
    description="Refuse a key from now on; the last admin's stays.",
    arguments=(_KEY,),
    role=Role.ADMIN,
    hazard=Hazard.CAUTION,
)
_ROTATE = CommandDefinition(
    name="key.rotate",
    description="Put a new key in the place of the one that signs this; heliograph key rotate sends it.",
    arguments=(
        Argument(name="key", description="The new public key."),
        Argument(name="proof", description="Signature of the new key over both, 128 hexadecimal digits."),
    ),
    # Whoever has a key may change it for a new one of the same role.
    role=Role.ARCHIVE,
    hazard=Hazard.CAUTION,
)


def trust_commands(trust: Trust) -> list[Command]:
    """Give `key.list`, `key.add`, `key.revoke` and `key.rotate` for what a node trusts."""

    def listed(_: Call) -> Any:
        return [
            {"key": each.key.hex, "role": each.role.value, "archive": each.archive, "label": each.label}
            for each in trust.pins
        ]

    def add(call: Call) -> Any:
        key = PublicKey.parse(call.arguments["key"])
        trust.add(key, Role(call.arguments["role"]), call.arguments["label"])
        return {"key": key.hex}

    def revoke(call: Call) -> Any:
        key = PublicKey.parse(call.arguments["key"])
        trust.revoke(key)
        return {"key": key.hex}

    def rotate(call: Call) -> Any:
        if not call.key:
            raise CommandRefusedError("a key is rotated by a command that it signed itself, not by a sequence")
        old, new = PublicKey.parse(call.key), PublicKey.parse(call.arguments["key"])
        if not proves_rotation(call.arguments["proof"], old, new):
            raise CommandRefusedError("the proof is not the new key's: heliograph key rotate makes it")
        trust.rotate(old, new)
        return {"old": old.hex, "key": new.hex}

    return [Command(_LIST, listed), Command(_ADD, add), Command(_REVOKE, revoke), Command(_ROTATE, rotate)]
