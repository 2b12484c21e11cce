"""The commands that a node offers, by name and alias."""

from __future__ import annotations

from collections.abc import Iterable

from heliograph.core import SettingError
from heliograph.link.dictionary import CommandDefinition
from heliograph.node.call import Command


class Offers:
    """What the parts of a node offer as commands.

    >>> offers = Offers()
    >>> offers.add([Command(CommandDefinition(name="node.ping", description="Answer."), lambda call: None)])
    >>> offers.definition_of("node.ping").description
    'Answer.'
    """

    def __init__(self) -> None:
        self._commands: dict[str, Command] = {}
        self._by_name: dict[str, Command] = {}

    def add(self, commands: Iterable[Command]) -> None:
        """Offer more. Raises `SettingError` for a name or alias that is taken."""
        for command in commands:
            names = (command.definition.name, *command.definition.aliases)
            for name in names:
                if name in self._by_name:
                    raise SettingError(f"two commands are called {name!r}: rename one of them")
            self._commands[command.definition.name] = command
            self._by_name |= dict.fromkeys(names, command)

    def command_of(self, name: str) -> Command | None:
        """Give a command by its name or an alias."""
        return self._by_name.get(name)

    def definition_of(self, name: str) -> CommandDefinition | None:
        """Give the definition of a command by its name or an alias."""
        command = self._by_name.get(name)
        return command.definition if command else None

    @property
    def definitions(self) -> tuple[CommandDefinition, ...]:
        """Every definition, by name."""
        return tuple(self._commands[name].definition for name in sorted(self._commands))

    @property
    def names(self) -> tuple[str, ...]:
        """Every name and alias."""
        return tuple(self._by_name)
