"""The language of sequences: a step a line, `TIME NAME ARGUMENTS ; comment`, as F Prime's text sequences have it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from heliograph.core import SequenceError
from heliograph.link.sequence.when import After, At, read_when

MOST_STEPS = 10_000

_WORD = re.compile(r'[^\s,;"]+')
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*", re.ASCII)
_SPACE = " \t"
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}
_UNICODE = re.compile(r"u([0-9A-Fa-f]{4})")


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a sequence, and when it is due."""

    number: int
    """1, 2, … in the order of the text."""
    line: int
    when: After | At
    name: str
    words: tuple[str, ...] = ()
    """Arguments as they are written, quotes and escapes taken away."""
    name_column: int = 1
    words_column: int = 1
    """Where the name and the first argument begin, from 1."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at one place of a sequence, and what belongs there."""

    line: int
    column: int
    message: str

    def at(self, file: str) -> str:
        """Give it in one line.

        >>> Fault(3, 11, "the name of a command belongs here").at("flight.seq")
        'flight.seq:3:11: the name of a command belongs here'
        """
        return f"{file}:{self.line}:{self.column}: {self.message}"

    def shown(self, file: str, text: str) -> str:
        """Give it with the line of the text and a caret below the place."""
        lines = text.removeprefix("\ufeff").split("\n")
        line = lines[self.line - 1] if self.line <= len(lines) else ""
        visible = "".join(each if each.isprintable() else " " for each in line)
        return f"{self.at(file)}\n  {visible.rstrip()}\n  {' ' * (self.column - 1)}^"


def parse(text: str) -> tuple[tuple[Step, ...], list[Fault]]:
    """Give the steps of a sequence and all that is wrong in it, at most one fault a line.

    >>> steps, faults = parse('R00:01:12 dockerManager.BuildPayload, "Dockerfile.camera", "camera" ; once')
    >>> steps[0].name, steps[0].words, faults
    ('dockerManager.BuildPayload', ('Dockerfile.camera', 'camera'), [])
    """
    steps: list[Step] = []
    faults: list[Fault] = []
    # Not splitlines: it also parts at characters that no editor counts as the end of a line.
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        if len(steps) == MOST_STEPS:
            faults.append(Fault(number, 1, f"a sequence has at most {MOST_STEPS} steps: make two of it"))
            break
        reader = _LineReader(line.removesuffix("\r"), number)
        try:
            step = reader.step(len(steps) + 1)
        except SequenceError as error:
            faults.append(Fault(number, reader.column + 1, str(error)))
        else:
            steps += [step] if step else []
    if not steps and not faults:
        faults.append(Fault(1, 1, "there is no step: write for example R00:00:00 node.ping"))
    return tuple(steps), faults


class _LineReader:
    """Reads one line from left to right; `column` is where it is, from 0."""

    def __init__(self, line: str, number: int) -> None:
        self._line = line
        self._number = number
        self.column = 0

    def step(self, number: int) -> Step | None:
        self._skip_space()
        if self._at_end():
            return None
        when = self._when()
        if not self._skip_space() and not self._at_end():
            raise SequenceError("a space belongs between the time and the command")
        name_column = self.column
        name = self._name()
        words: list[str] = []
        words_column = name_column
        while self._separator():
            if not words:
                words_column = self.column
            words.append(self._argument())
        return Step(number, self._number, when, name, tuple(words), name_column + 1, words_column + 1)

    def _when(self) -> After | At:
        word = self._word()
        when = read_when(word)
        self.column += len(word)
        return when

    def _name(self) -> str:
        if self._at_end():
            raise SequenceError("the name of a command belongs here")
        word = self._word()
        found = _NAME.match(word)
        if not found:
            raise SequenceError("the name of a command belongs here, such as node.ping")
        self.column += found.end()
        if found.end() < len(word):
            raise SequenceError("a name of a command has letters, digits, and . _ - only")
        return word

    def _separator(self) -> bool:
        """Go on to the next argument; False when there is none."""
        start = self.column
        self._skip_space()
        comma = self._here() == ","
        if comma:
            self.column += 1
            self._skip_space()
            if self._at_end() or self._here() == ",":
                raise SequenceError('an argument belongs after the comma; an empty text is ""')
        elif not self._at_end() and self.column == start:
            raise SequenceError("a comma or a space belongs between arguments")
        return not self._at_end()

    def _argument(self) -> str:
        """Read WORD, "TEXT", or NAME="TEXT"."""
        if self._here() == '"':
            return self._quoted()
        word = self._word()
        self.column += len(word)
        if self._here() != '"':
            return word
        if not word.endswith("="):
            raise SequenceError(f'a text in quotes stands alone or after NAME=: put a space after {word}, or write \\"')
        return word + self._quoted()

    def _quoted(self) -> str:
        opened = self.column
        self.column += 1
        pieces: list[str] = []
        while (letter := self._here()) != '"':
            if not letter:
                self.column = opened
                raise SequenceError('the text that begins here has no closing "')
            if letter == "\\":
                pieces.append(self._escaped())
            elif letter == "\t" or letter.isprintable():
                pieces.append(letter)
                self.column += 1
            else:
                raise SequenceError(_unseen(letter, f"\\u{ord(letter):04x}"))
        self.column += 1
        return "".join(pieces)

    def _escaped(self) -> str:
        letter = self._line[self.column + 1 : self.column + 2]
        if letter in _ESCAPES:
            self.column += 2
            return _ESCAPES[letter]
        found = _UNICODE.match(self._line, self.column + 1)
        if not found or 0xD800 <= int(found[1], 16) < 0xE000:
            raise SequenceError('after \\ belongs one of " \\ n t, or u and four hexadecimal digits of a character')
        self.column = found.end()
        return chr(int(found[1], 16))

    def _word(self) -> str:
        found = _WORD.match(self._line, self.column)
        if not found:
            raise SequenceError(f"{self._here()} does not belong here")
        for offset, letter in enumerate(found[0]):
            if not letter.isprintable():
                self.column += offset
                raise SequenceError(_unseen(letter, "nothing"))
        return found[0]

    def _skip_space(self) -> bool:
        start = self.column
        while self._here() and self._here() in _SPACE:
            self.column += 1
        if self._here() and not self._here().isprintable():
            raise SequenceError(_unseen(self._here(), "a plain space or nothing"))
        return self.column > start

    def _at_end(self) -> bool:
        return self._here() in ("", ";")

    def _here(self) -> str:
        return self._line[self.column : self.column + 1]


def _unseen(letter: str, instead: str) -> str:
    return f"the character U+{ord(letter):04X} cannot be seen: write {instead} for it"
