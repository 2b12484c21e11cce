"""Arguments of commands: every type with its range, from words and from the wire, by the same rules."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import CommandRefusedError
from heliograph.link.arguments import check, from_words, near, usage
from heliograph.link.dictionary import Argument, CommandDefinition

GOTO = CommandDefinition(
    name="vehicle.goto",
    description="",
    arguments=(
        Argument(name="altitude", type="number", unit="m", minimum=0, maximum=120),
        Argument(name="passes", type="integer", minimum=1, default=1),
        Argument(name="mode", choices=("BLOCK", "NO_BLOCK"), default="BLOCK"),
        Argument(name="hold", type="boolean", default=False),
        Argument(name="note", maximum=5, optional=True),
    ),
)
SET = CommandDefinition(
    name="camera.set",
    description="",
    arguments=(Argument(name="camera"), Argument(name="settings", type="values")),
)
LIST = CommandDefinition(
    name="files.list", description="", arguments=(Argument(name="path", type="path", default="", maximum=20),)
)
GIVEN = {"altitude": 50.0, "passes": 1, "mode": "BLOCK", "hold": False, "note": None}


def refused(definition: CommandDefinition, arguments: dict[str, Any]) -> str:
    with pytest.raises(CommandRefusedError) as error:
        check(definition, arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_defaults_are_filled_in() -> None:
    assert check(GOTO, {"altitude": 50}) == GIVEN
    assert check(LIST, {}) == {"path": ""}


def test_what_was_checked_passes_again() -> None:
    """The ground sends what it checked, and the node checks what it sends."""
    assert check(GOTO, check(GOTO, {"altitude": 50})) == GIVEN


def test_the_usage_is_one_line() -> None:
    assert usage(GOTO) == (
        "vehicle.goto <altitude in m, 0 to 120> [passes, at least 1; 1] [mode: BLOCK|NO_BLOCK; BLOCK] "
        "[hold: true|false; false] [note, at most 5 characters]"
    )
    assert usage(SET) == "camera.set <camera> NAME=VALUE..."
    assert usage(LIST) == "files.list [path, at most 20 characters; '']"


def test_a_text_of_one_length_says_so() -> None:
    cancel = CommandDefinition(name="x", description="", arguments=(Argument(name="id", minimum=32, maximum=32),))
    assert usage(cancel) == "x <id, 32 characters>"
    assert "id must be 32 characters, not 'short'" in refused(cancel, {"id": "short"})


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "altitude is missing"),
        ({"altitude": None}, "altitude is missing"),
        ({"altitude": -0.1}, "altitude must be 0 to 120 m, not -0.1"),
        ({"altitude": 120.5}, "altitude must be 0 to 120 m, not 120.5"),
        ({"altitude": math.nan}, "altitude must be a finite number, not nan"),
        ({"altitude": math.inf}, "altitude must be a finite number, not inf"),
        ({"altitude": 10**400}, "altitude must fit 64 bits"),
        ({"altitude": True}, "altitude must be a number, not True"),
        ({"altitude": "50"}, "altitude must be a number, not '50'"),
        ({"altitude": [50]}, "altitude must be a number"),
        ({"altitude": 50, "passes": 0}, "passes must be at least 1, not 0"),
        ({"altitude": 50, "passes": True}, "passes must be a whole number, not True"),
        ({"altitude": 50, "passes": 1.0}, "passes must be a whole number, not 1.0"),
        ({"altitude": 50, "passes": 2**63}, "passes must fit 64 bits"),
        ({"altitude": 50, "mode": "block"}, "mode must be BLOCK or NO_BLOCK, not 'block'"),
        ({"altitude": 50, "mode": b"BLOCK"}, "mode must be a text"),
        ({"altitude": 50, "hold": 0}, "hold must be true or false, not 0"),
        ({"altitude": 50, "hold": "true"}, "hold must be true or false"),
        ({"altitude": 50, "note": "sixsix"}, "note must be at most 5 characters"),
        ({"altitude": 50, "note": "\udc80"}, "note must be valid UTF-8"),
        ({"altitude": 50, "hight": 5}, "no argument 'hight'"),
        ({"altitud": 50}, "no argument 'altitud' (did you mean altitude?)"),
    ],
)
def test_a_wrong_argument_is_refused_with_what_is_allowed(arguments: dict[str, Any], reason: str) -> None:
    told = refused(GOTO, arguments)
    assert told.startswith(f"vehicle.goto: {reason}")
    assert told.endswith(f"; usage: {usage(GOTO)}")


@pytest.mark.parametrize("path", ["a", ".", "a/b c/ü.png", "./a", "a/..b", "...", "a//b", "-rf", "a\\b"])
def test_a_path_below_the_root_is_taken(path: str) -> None:
    assert check(LIST, {"path": path}) == {"path": path}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/etc/passwd", "must be a relative path"),
        ("//a", "must be a relative path"),
        ("..", "without .."),
        ("a/../../b", "without .."),
        ("a/..", "without .."),
        ("a\nb", "control characters"),
        ("a\0b", "control characters"),
        ("a\x1b[2J", "control characters"),
        ("a\x85b", "control characters"),
        ("a\u2028b", "control characters"),
        ("a\udcff", "valid UTF-8"),
        ("a" * 21, "at most 20 characters"),
        (5, "must be a text"),
    ],
)
def test_a_path_that_could_leave_the_root_is_refused(path: Any, reason: str) -> None:
    assert reason in refused(LIST, {"path": path})


def test_an_empty_path_is_refused_where_it_is_not_the_default() -> None:
    delete = CommandDefinition(name="files.delete", description="", arguments=(Argument(name="path", type="path"),))
    assert ". is the root" in refused(delete, {"path": ""})


@pytest.mark.parametrize("settings", [{}, "Gain=6", ["Gain=6"], {"Gain": 6}, {5: "Gain"}, {"Gain": "\udc80"}])
def test_values_are_texts_by_name(settings: Any) -> None:
    assert check(SET, {"camera": "cam-1", "settings": {"Gain": "6"}})["settings"] == {"Gain": "6"}
    assert "settings" in refused(SET, {"camera": "cam-1", "settings": settings})


def test_values_that_need_not_be_given_are_an_empty_map() -> None:
    free = CommandDefinition(
        name="x", description="", arguments=(Argument(name="settings", type="values", optional=True),)
    )
    assert check(free, {}) == from_words(free, []) == {"settings": {}}
    assert usage(free) == "x [NAME=VALUE...]"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["50"], GIVEN),
        (["+5e1"], GIVEN),
        (["altitude=50"], GIVEN),
        (["50", "0x10"], GIVEN | {"passes": 16}),
        (["50", "007"], GIVEN | {"passes": 7}),
        (["50", "hold=YES", "3"], GIVEN | {"passes": 3, "hold": True}),
        (["passes=2", "50", "NO_BLOCK", "off"], GIVEN | {"passes": 2, "mode": "NO_BLOCK"}),
        (["50", "1", "BLOCK", "false", "a=b"], GIVEN | {"note": "a=b"}),
        (["50", "note="], GIVEN | {"note": ""}),
    ],
)
def test_words_are_taken_in_their_order_or_by_name(words: list[str], expected: dict[str, Any]) -> None:
    assert from_words(GOTO, words) == expected


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "altitude is missing"),
        (["high"], "altitude must be a number, not 'high'"),
        (["nan"], "altitude must be a finite number"),
        (["1e999"], "altitude must be a finite number"),
        (["5_0"], "altitude must be a number, not '5_0'"),
        (["50", "1.5"], "passes must be a whole number, not '1.5'"),
        (["50", "1_0"], "passes must be a whole number"),
        (["50", "\u0661"], "passes must be a whole number"),
        (["50", "9" * 30], "passes must fit 64 bits"),
        (["50", "9" * 5_000], "passes must be a whole number"),
        (["50", "hold=maybe"], "hold must be true or false, not 'maybe'"),
        (["50", "altitude=60"], "altitude is given twice"),
        (["50", "1", "BLOCK", "no", "note", "more"], "'more' is one word too many"),
    ],
)
def test_wrong_words_are_refused_with_the_usage(words: list[str], reason: str) -> None:
    with pytest.raises(CommandRefusedError) as error:
        from_words(GOTO, words)
    assert str(error.value).startswith(f"vehicle.goto: {reason}")
    assert str(error.value).endswith(f"; usage: {usage(GOTO)}")


def test_the_words_after_the_others_are_values() -> None:
    assert from_words(SET, ["cam-1", "Gain=6", "PixelFormat=Mono8", "Text=a=b", "Empty="]) == {
        "camera": "cam-1",
        "settings": {"Gain": "6", "PixelFormat": "Mono8", "Text": "a=b", "Empty": ""},
    }


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["cam-1"], "settings is missing"),
        (["cam-1", "Gain"], "'Gain' is no setting: write NAME=VALUE"),
        (["cam-1", "=6"], "'=6' is no setting"),
        (["cam-1", "Gain=6", "Gain=7"], "Gain is given twice"),
    ],
)
def test_words_that_are_no_values_are_refused(words: list[str], reason: str) -> None:
    with pytest.raises(CommandRefusedError, match=f"camera.set: {reason}"):
        from_words(SET, words)


@given(
    st.dictionaries(
        st.sampled_from([each.name for each in GOTO.arguments]), st.from_type(object) | st.text(), max_size=5
    )
)
def test_anything_is_refused_or_within_its_range(arguments: dict[str, Any]) -> None:
    try:
        taken = check(GOTO, arguments)
    except CommandRefusedError:
        return
    assert 0 <= taken["altitude"] <= 120
    assert taken["passes"] >= 1
    assert taken["mode"] in ("BLOCK", "NO_BLOCK")
    assert isinstance(taken["hold"], bool)
    assert check(GOTO, taken) == taken


@given(st.sampled_from([GOTO, SET, LIST]), st.lists(st.text(max_size=20), max_size=7))
def test_any_words_are_refused_or_pass_on_board(definition: CommandDefinition, words: list[str]) -> None:
    try:
        taken = from_words(definition, words)
    except CommandRefusedError:
        return
    assert check(definition, taken) == taken


def test_a_type_of_a_newer_node_is_refused_with_that_reason() -> None:
    newer = CommandDefinition(name="warp", description="", arguments=(Argument(name="shape", type="matrix"),))
    with pytest.raises(CommandRefusedError, match="shape is of a type that this program does not know"):
        from_words(newer, ["1"])


def test_near_names_are_offered() -> None:
    assert near("node.pin", ["node.ping", "node.restart"]) == " (did you mean node.ping?)"
    assert near("xyz", ["node.ping"]) == ""
