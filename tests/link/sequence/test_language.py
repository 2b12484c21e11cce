import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.link.sequence.language import MOST_STEPS, Fault, Step, parse
from heliograph.link.sequence.when import After, At, shown_delay

LETTERS = st.characters(exclude_categories=["Cs"])
PLAIN = st.text(st.characters(categories=["L", "N", "S", "P"], exclude_characters=',;"'), min_size=1)
SPACES = st.text(" \t", min_size=1, max_size=3)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.\-]{0,20}", fullmatch=True)


def quoted(text: str) -> str:
    def letter(each: str) -> str:
        if each in '"\\':
            return f"\\{each}"
        return each if each.isprintable() or ord(each) > 0xFFFF else f"\\u{ord(each):04x}"

    return '"' + "".join(map(letter, text)) + '"'


@st.composite
def lines(draw: st.DrawFn) -> tuple[After | At, str, tuple[str, ...], str]:
    """Draw a step, and one way to write it."""
    if draw(st.booleans()):
        delay_ns = draw(st.integers(0, 10**18))
        when: After | At = After(delay_ns)
        time = f"R{shown_delay(delay_ns)}"
    else:
        day, of_day = draw(st.integers(1, 365)), draw(st.integers(0, 86_399))
        when = At(((day - 1) * 86_400 + of_day) * 10**9)
        time = f"A1970-{day}T{of_day // 3600:02d}:{of_day // 60 % 60:02d}:{of_day % 60:02d}"
    words: list[str] = []
    text = f"{draw(st.sampled_from(['', ' ', chr(9)]))}{time}{draw(SPACES)}{(name := draw(NAMES))}"
    for _ in range(draw(st.integers(0, 4))):
        text += draw(st.one_of(SPACES, st.sampled_from([",", ", ", " , "])))
        match draw(st.integers(0, 2)):
            case 0:
                words.append(draw(PLAIN))
                text += words[-1]
            case 1:
                # Beyond the basic plane there is no escape, and what cannot be seen has no place.
                words.append(draw(st.text(LETTERS.filter(lambda each: each.isprintable() or ord(each) <= 0xFFFF))))
                text += quoted(words[-1])
            case _:
                value = draw(st.text(LETTERS.filter(str.isprintable)))
                words.append(f"{draw(NAMES)}={value}")
                text += words[-1][: len(words[-1]) - len(value)] + quoted(value)
    return when, name, tuple(words), text + draw(st.sampled_from(["", " ", ' ; a comment, "with', ";x", "\r"]))


@given(st.lists(lines(), min_size=1, max_size=5))
def test_what_is_written_is_read_back(written: list[tuple[After | At, str, tuple[str, ...], str]]) -> None:
    steps, faults = parse("\n; a comment\n".join(text for *_, text in written))
    assert faults == []
    assert [(step.when, step.name, step.words) for step in steps] == [
        (when, name, words) for when, name, words, _ in written
    ]
    assert [step.line for step in steps] == [1 + 2 * index for index in range(len(written))]
    assert [step.number for step in steps] == list(range(1, len(written) + 1))


@given(st.text(st.one_of(st.characters(), st.sampled_from('RA0123456789:.-T ,;"\\=\n\tu\ufeff'))))
def test_any_text_gives_steps_or_faults_with_their_places(text: str) -> None:
    steps, faults = parse(text)
    assert steps or faults
    rows = text.removeprefix("\ufeff").split("\n")
    for fault in faults:
        assert 1 <= fault.line <= len(rows)
        assert 1 <= fault.column <= len(rows[fault.line - 1]) + 1
        assert fault.message.isprintable() or not text.isprintable()
        assert fault.shown("a.seq", text).count("\n") == 2


def test_the_lines_of_the_reference_run_unchanged() -> None:
    steps, faults = parse(
        'R00:01:12 dockerManager.BuildPayload, "Dockerfile.camera", "camera"\r\n'
        'A2024-132T02:24:05 dockerManager.Start, "camera" ; pass over the target\r\n'
        'R0:00:30 cmdSeq.CS_RUN, "seq/next.seq", NO_BLOCK\r\n'
    )
    assert faults == []
    assert steps[0] == Step(
        1, 1, After(72 * 10**9), "dockerManager.BuildPayload", ("Dockerfile.camera", "camera"), 11, 39
    )
    assert steps[1].words == ("camera",)
    assert steps[2].words == ("seq/next.seq", "NO_BLOCK")


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("node.ping", 1, "a time belongs first"),
        ("R00:00:01", 10, "the name of a command belongs here"),
        ("R00:00:01 ; node.ping", 11, "the name of a command belongs here"),
        ("R00:00:01 5ping", 11, "the name of a command belongs here"),
        ("R00:00:01 node/ping", 15, "letters, digits"),
        ("R00:00:01, node.ping", 10, "a space belongs between the time and the command"),
        ("R00:00:01 a 1,,2", 15, 'an argument belongs after the comma; an empty text is ""'),
        ("R00:00:01 a 1,", 15, "an argument belongs after the comma"),
        ('R00:00:01 a "x', 13, 'the text that begins here has no closing "'),
        ('R00:00:01 a "x\\', 15, "after \\ belongs"),
        ('R00:00:01 a "x"y', 16, "a comma or a space belongs between arguments"),
        ('R00:00:01 a x"y"', 14, "alone or after NAME="),
        ('R00:00:01 a "\\x41"', 14, "after \\ belongs"),
        ('R00:00:01 a "\\ud800"', 14, "after \\ belongs"),
        ("R00:00:01\u00a0node.ping", 10, "U+00A0 cannot be seen"),
        ("R00:00:01 node\u200b.ping", 15, "U+200B cannot be seen"),
        ('R00:00:01 a "\x07"', 14, "write \\u0007"),
        ('R00:00:01 "node.ping"', 11, '" does not belong here'),
    ],
)
def test_a_fault_tells_its_place_and_what_belongs_there(text: str, column: int, said: str) -> None:
    steps, faults = parse(f"; first\n{text}")
    assert steps == ()
    assert [(each.line, each.column) for each in faults] == [(2, column)]
    assert said in faults[0].message


def test_all_faults_are_told_at_once_and_the_good_lines_read() -> None:
    steps, faults = parse("R00:00:01 a\nping\nR00:00:01 b\nR99 c\n")
    assert [step.name for step in steps] == ["a", "b"]
    assert [fault.line for fault in faults] == [2, 4]


def test_a_text_without_a_step_is_a_fault() -> None:
    assert "there is no step" in parse("; nothing yet\n\n")[1][0].message


def test_the_number_of_steps_is_bounded() -> None:
    assert not parse("R00:00:00 a\n" * (MOST_STEPS - 1) + "R00:00:00 a")[1]
    steps, (fault,) = parse("R00:00:00 a\n" * (MOST_STEPS + 1))
    assert len(steps) == MOST_STEPS
    assert (fault.line, "at most 10000 steps" in fault.message) == (MOST_STEPS + 1, True)


def test_a_fault_is_shown_with_a_caret_below_its_place() -> None:
    shown = Fault(2, 11, "no such thing").shown("a.seq", "; x\nR00:00:01\tnode.png 1\n")
    assert shown == "a.seq:2:11: no such thing\n  R00:00:01 node.png 1\n            ^"
    assert re.search(r"\^", shown)
