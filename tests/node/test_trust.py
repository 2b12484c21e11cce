import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from heliograph.core import CommandRefusedError, SettingError
from heliograph.link.arguments import check
from heliograph.link.dictionary import Role
from heliograph.link.keys import PrivateKey
from heliograph.link.signature import prove_rotation
from heliograph.link.trust import Pin, Trust
from heliograph.node.trust import trust_commands

ADMIN, ADA, NEW = (PrivateKey.generate() for _ in range(3))


@dataclass
class Given:
    """A call by a key."""

    key: str
    arguments: Mapping[str, Any]
    id: str = ""
    user: str = ""
    cancelled: threading.Event = field(default_factory=threading.Event)

    def progress(self, text: str, fraction: float | None = None) -> None:
        """Nothing here takes time."""


@pytest.fixture
def trust() -> Trust:
    return Trust([Pin(ADMIN.public, Role.ADMIN), Pin(ADA.public, Role.OPERATOR, label="ada")], None)


def run(trust: Trust, name: str, arguments: Mapping[str, Any], key: str = ADA.public.hex) -> Any:
    command = next(each for each in trust_commands(trust) if each.definition.name == name)
    return command.run(Given(key, check(command.definition, arguments)))


def test_the_roles_that_the_commands_need(trust: Trust) -> None:
    roles = {each.definition.name: each.definition.role for each in trust_commands(trust)}
    assert roles == {
        "key.list": Role.OPERATOR,
        "key.add": Role.ADMIN,
        "key.revoke": Role.ADMIN,
        "key.rotate": Role.ARCHIVE,
    }


def test_a_rotation_changes_the_key_that_signed_it(trust: Trust) -> None:
    proof = prove_rotation(ADA.public, NEW)
    told = run(trust, "key.rotate", {"key": NEW.public.text("ada"), "proof": proof})
    assert told == {"old": ADA.public.hex, "key": NEW.public.hex}
    assert trust.pin_of(ADA.public) is None
    assert trust.pin_of(NEW.public) == Pin(NEW.public, Role.OPERATOR, label="ada")


@pytest.mark.parametrize(
    "proof",
    [
        "",
        "garbage",
        "00" * 64,
        prove_rotation(ADMIN.public, NEW),
        prove_rotation(ADA.public, ADA),
        NEW.sign(ADA.public.raw + NEW.public.raw).hex(),
    ],
    ids=["none", "garbage", "zeros", "for another's key", "by the old key", "of the bare keys"],
)
def test_nobody_rotates_to_a_key_that_he_does_not_hold(trust: Trust, proof: str) -> None:
    with pytest.raises(CommandRefusedError, match="proof is not the new key's"):
        run(trust, "key.rotate", {"key": NEW.public.text(), "proof": proof})
    assert trust.pin_of(ADA.public) is not None


def test_a_sequence_rotates_no_key(trust: Trust) -> None:
    with pytest.raises(CommandRefusedError, match="not by a sequence"):
        run(trust, "key.rotate", {"key": NEW.public.hex, "proof": prove_rotation(ADA.public, NEW)}, key="")


def test_an_admin_adds_and_revokes(trust: Trust) -> None:
    assert run(trust, "key.add", {"key": NEW.public.text(), "role": "archive", "label": "station"}) == {
        "key": NEW.public.hex
    }
    assert trust.archive == Pin(NEW.public, Role.ARCHIVE, archive=True, label="station")
    run(trust, "key.revoke", {"key": NEW.public.hex})
    assert trust.pin_of(NEW.public) is None
    assert run(trust, "key.list", {}) == [
        {"key": ADMIN.public.hex, "role": "admin", "archive": False, "label": ""},
        {"key": ADA.public.hex, "role": "operator", "archive": False, "label": "ada"},
    ]


def test_what_is_no_key_is_refused(trust: Trust) -> None:
    for name, arguments in (("key.add", {"key": "ada", "role": "admin"}), ("key.revoke", {"key": "ada"})):
        with pytest.raises(SettingError, match="no public key"):
            run(trust, name, arguments)
