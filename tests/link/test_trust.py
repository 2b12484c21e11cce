from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import CommandRefusedError, OutputError, SettingError, SourceError
from heliograph.link.dictionary import Role
from heliograph.link.keys import PrivateKey, PublicKey
from heliograph.link.trust import Pin, Trust

ADMIN, ADA, BEN, STATION = (PrivateKey.generate().public for _ in range(4))
PINS = (
    Pin(ADMIN, Role.ADMIN, label="boss"),
    Pin(ADA, Role.OPERATOR, label="ada"),
    Pin(STATION, Role.ARCHIVE, archive=True),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "trust.json"


def test_the_pins_of_node_toml_are_trusted_and_nobody_else(file: Path) -> None:
    trust = Trust(PINS, file)
    assert [trust.pin_of(pin.key) for pin in PINS] == list(PINS)
    assert trust.pin_of(BEN) is None
    assert trust.archive == PINS[2]
    assert Trust([], None).archive is None
    # Nothing is written before something changes.
    assert not file.exists()


@pytest.mark.parametrize(
    ("pins", "reason"),
    [
        ((Pin(ADA, Role.ADMIN), Pin(ADA, Role.OPERATOR)), "pinned twice"),
        ((Pin(ADA, Role.ADMIN, archive=True), Pin(BEN, Role.ARCHIVE, archive=True)), "both pinned as the archive"),
        ((Pin(PublicKey(bytes(32)), Role.ADMIN),), "anybody can sign"),
    ],
)
def test_pins_that_contradict_one_another_are_refused(pins: tuple[Pin, ...], reason: str) -> None:
    with pytest.raises(SettingError, match=reason):
        Trust(pins, None)


def test_after_a_rotation_the_old_key_is_refused_and_the_role_is_kept(file: Path) -> None:
    Trust(PINS, file).rotate(ADA, BEN)
    for trust in (Trust(PINS, file), Trust(PINS, file)):
        assert trust.pin_of(ADA) is None
        assert trust.pin_of(BEN) == Pin(BEN, Role.OPERATOR, label="ada")


def test_a_rotated_archive_stays_the_archive(file: Path) -> None:
    trust = Trust(PINS, file)
    trust.rotate(STATION, BEN)
    assert trust.archive is not None
    assert trust.archive.key == BEN


def test_a_revoked_key_stays_refused_though_node_toml_names_it(file: Path) -> None:
    Trust(PINS, file).revoke(ADA)
    assert Trust(PINS, file).pin_of(ADA) is None
    edited = (*PINS, Pin(BEN, Role.OPERATOR))
    assert Trust(edited, file).pin_of(ADA) is None
    assert Trust(edited, file).pin_of(BEN) == edited[3]


def test_a_revoked_key_is_taken_back_by_an_admin_alone(file: Path) -> None:
    Trust(PINS, file).revoke(ADA)
    Trust(PINS, file).add(ADA, Role.ADMIN, "again")
    assert Trust(PINS, file).pin_of(ADA) == Pin(ADA, Role.ADMIN, label="again")


def test_the_new_key_may_be_written_into_node_toml_later(file: Path) -> None:
    Trust(PINS, file).rotate(ADA, BEN)
    replaced = (PINS[0], Pin(BEN, Role.OPERATOR, label="ben"))
    assert Trust(replaced, file).pins == replaced
    both = (*PINS, Pin(BEN, Role.ADMIN, label="ben"))
    assert Trust(both, file).pin_of(BEN) == both[3]
    assert Trust(both, file).pin_of(ADA) is None


def test_a_pin_taken_out_of_node_toml_takes_its_successors_with_it(file: Path) -> None:
    trust = Trust(PINS, file)
    trust.rotate(ADA, BEN)
    third = PrivateKey.generate().public
    trust.rotate(BEN, third)
    assert Trust(PINS[:1], file).pins == PINS[:1]


def test_a_role_that_node_toml_changes_holds_for_the_rotated_key(file: Path) -> None:
    Trust(PINS, file).rotate(ADA, BEN)
    promoted = (PINS[0], Pin(ADA, Role.ADMIN))
    assert Trust(promoted, file).pin_of(BEN) == Pin(BEN, Role.ADMIN)


def test_the_last_admin_stays() -> None:
    trust = Trust(PINS, None)
    with pytest.raises(CommandRefusedError, match="last admin"):
        trust.revoke(ADMIN)
    trust.add(BEN, Role.ADMIN)
    trust.revoke(ADMIN)
    with pytest.raises(CommandRefusedError, match="last admin"):
        trust.revoke(BEN)
    assert trust.pin_of(BEN) is not None


def test_changes_that_make_no_sense_are_refused() -> None:
    trust = Trust(PINS, None)
    refused: list[tuple[Callable[[], None], str]] = [
        (lambda: trust.rotate(BEN, ADA), "not trusted"),
        (lambda: trust.rotate(ADA, ADMIN), "trusted already"),
        (lambda: trust.rotate(ADA, ADA), "trusted already"),
        (lambda: trust.revoke(BEN), "not trusted"),
        (lambda: trust.add(ADA, Role.ADMIN), "trusted already"),
        (lambda: trust.add(BEN, Role.ARCHIVE), "is the archive"),
        (lambda: trust.add(PublicKey(bytes(32)), Role.ADMIN), "anybody can sign"),
    ]
    for change, reason in refused:
        with pytest.raises(CommandRefusedError, match=reason):
            change()
    assert trust.pins == PINS


def test_an_archive_is_added_where_there_is_none() -> None:
    trust = Trust(PINS[:2], None)
    trust.add(STATION, Role.ARCHIVE)
    assert trust.archive == Pin(STATION, Role.ARCHIVE, archive=True)


def test_a_change_that_cannot_be_kept_is_not_made(tmp_path: Path) -> None:
    trust = Trust(PINS, tmp_path / "missing" / "trust.json")
    with pytest.raises(OutputError, match="was not made"):
        trust.rotate(ADA, BEN)
    assert trust.pins == PINS


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"version": 1, "changes": [{"change": "revoked", "key": "ada"}]}',
        b'{"version": 1, "changes": [{"change": "forgotten", "key": "ada"}]}',
        b'{"version": 2, "changes": []}',
    ],
)
def test_a_file_that_cannot_be_understood_is_not_taken_for_an_empty_one(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(SourceError, match=str(file)):
        Trust(PINS, file)


def test_changes_come_to_an_end(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heliograph.link.trust._MOST_CHANGES", 2)
    trust = Trust(PINS, file)
    trust.revoke(ADA)
    trust.add(ADA, Role.OPERATOR)
    with pytest.raises(CommandRefusedError, match="put those of key"):
        trust.revoke(ADA)


KEYS = [PrivateKey.generate().public for _ in range(4)]
changes = st.lists(
    st.tuples(st.just("rotate"), st.sampled_from(KEYS), st.sampled_from(KEYS))
    | st.tuples(st.just("revoke"), st.sampled_from(KEYS))
    | st.tuples(st.just("add"), st.sampled_from(KEYS), st.sampled_from(Role)),
    max_size=12,
)


@given(changes)
def test_a_restart_changes_nothing_and_there_is_always_an_admin(made: list[tuple[str, ...]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trust.json"
        pins = (Pin(KEYS[0], Role.ADMIN), Pin(KEYS[1], Role.OPERATOR, archive=True))
        trust = Trust(pins, file)
        for name, *arguments in made:
            before = trust.pins
            try:
                getattr(trust, name)(*arguments)
            except CommandRefusedError:
                assert trust.pins == before
            assert Trust(pins, file).pins == trust.pins
            assert any(pin.role is Role.ADMIN for pin in trust.pins)
            assert sum(pin.archive for pin in trust.pins) <= 1
            if name in ("rotate", "revoke") and trust.pins != before:
                assert trust.pin_of(arguments[0]) is None  # type: ignore[arg-type]
