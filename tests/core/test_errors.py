"""One root, and every leaf is also the builtin that a caller would expect."""

from __future__ import annotations

import inspect

import pytest

from heliograph.core import errors
from heliograph.core.errors import HeliographError

LEAVES = [
    error
    for _, error in inspect.getmembers(errors, inspect.isclass)
    if issubclass(error, HeliographError) and error is not HeliographError
]


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_leaf_is_a_heliograph_error_and_a_builtin(leaf: type[HeliographError]) -> None:
    builtins = [base for base in leaf.__mro__ if base.__module__ == "builtins"]
    assert builtins[0] is not Exception, f"{leaf.__name__} is no builtin leaf"


@pytest.mark.parametrize("leaf", LEAVES)
def test_the_message_reads_as_it_was_written(leaf: type[HeliographError]) -> None:
    assert str(leaf("the camera has no feature 'Gian'")) == "the camera has no feature 'Gian'"


def test_the_tree_at_the_head_of_the_module_is_the_tree() -> None:
    written = [line.split("── ")[1].split() for line in (errors.__doc__ or "").splitlines() if "── " in line]
    told = {words[0]: tuple(word.rstrip(",") for word in words[1:]) for words in written}
    assert told == {leaf.__name__: tuple(base.__name__ for base in leaf.__bases__[1:]) for leaf in LEAVES}
