"""What is wrong in a sequence for a node that has these commands, and what deserves a second look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from heliograph.core import CommandRefusedError, SequenceError
from heliograph.link.arguments import from_words, near
from heliograph.link.dictionary import CommandDefinition, Dictionary, Hazard, Role
from heliograph.link.sequence.language import Fault, Step

DefinitionOf = Callable[[str], CommandDefinition | None]


def definitions_of(dictionary: Dictionary) -> dict[str, CommandDefinition]:
    """Give the commands of a dictionary by their names and by their aliases."""
    return {name: each for each in dictionary.commands for name in (*each.aliases, each.name)}


def resolve(step: Step, definition_of: DefinitionOf, known: Sequence[str] = ()) -> dict[str, Any]:
    """Give the checked arguments of a step; `known` names help to say what was meant.

    Raises `SequenceError` for a command that is unknown or that sequences may not give, `CommandRefusedError` for
    arguments that do not fit.
    """
    definition = definition_of(step.name)
    if definition is None:
        raise SequenceError(f"the node has no command {step.name}{near(step.name, known)}")
    # A sequence runs on the node's own behalf: what needs more than an operator must come signed by who may.
    if definition.role.rank > Role.OPERATOR.rank:
        raise SequenceError(f"{step.name} needs the role {definition.role.value}: send it by hand, not in a sequence")
    return from_words(definition, step.words)


def check(steps: Iterable[Step], definition_of: DefinitionOf, known: Sequence[str] = ()) -> list[Fault]:
    """Give what is wrong with the commands of a sequence and their arguments."""
    faults: list[Fault] = []
    for step in steps:
        try:
            resolve(step, definition_of, known)
        except SequenceError as error:
            faults.append(Fault(step.line, step.name_column, str(error)))
        except CommandRefusedError as error:
            faults.append(Fault(step.line, step.words_column, str(error)))
    return faults


def hazards(steps: Iterable[Step], definition_of: DefinitionOf) -> list[Fault]:
    """Give the steps whose command is hazardous."""
    found = [(step, definition_of(step.name)) for step in steps]
    return [
        Fault(step.line, step.name_column, f"{step.name} is hazardous: {definition.description}")
        for step, definition in found
        if definition and definition.hazard is Hazard.HAZARDOUS
    ]
