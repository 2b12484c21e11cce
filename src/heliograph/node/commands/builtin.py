"""The commands that every node has."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from heliograph.link.dictionary import Argument, CommandDefinition, Hazard, Role
from heliograph.node.call import Call, Command
from heliograph.node.commands.executor import Executor
from heliograph.node.commands.run import now_boot_ns

_PING = CommandDefinition(
    name="node.ping",
    description="Answer with the node's clocks and how long it has been up.",
    timeout_s=5.0,
    # F Prime's command dispatcher.
    aliases=("cmdDisp.CMD_NO_OP",),
)
_CANCEL = CommandDefinition(
    name="command.cancel",
    description="Ask a command that is under way to end.",
    arguments=(Argument(name="id", minimum=32, maximum=32, description="Id of the command, 32 hexadecimal digits."),),
    timeout_s=10.0,
)
_RESTART = CommandDefinition(
    name="node.restart",
    description="End the node's program and start it anew; what runs is asked to end, and is not run again.",
    role=Role.ADMIN,
    hazard=Hazard.CAUTION,
    timeout_s=10.0,
)


def builtin_commands(executor: Executor, *, restart: Callable[[], None]) -> list[Command]:
    """Give `node.ping`, `command.cancel` and `node.restart`.

    `restart` returns at once and lets the program end in order, by `Executor.close` and `StageReporter.close`: so the
    end of this command, too, is in the journal and told before.
    """
    began_ns = now_boot_ns()

    def ping(_: Call) -> Any:
        now_ns = now_boot_ns()
        return {"boot_time_ns": now_ns, "wall_time_ns": time.time_ns(), "uptime_s": (now_ns - began_ns) / 1e9}

    def cancel(call: Call) -> Any:
        return executor.cancel(call.arguments["id"], by=call.user or call.key[:16] or "the node itself")

    def begin_restart(_: Call) -> Any:
        restart()
        return "the node restarts"

    return [
        Command(_PING, ping, prompt=True),
        Command(_CANCEL, cancel, prompt=True),
        Command(_RESTART, begin_restart, prompt=True),
    ]
