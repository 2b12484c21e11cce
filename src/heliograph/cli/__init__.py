"""The program `heliograph`: one small file for each command, each a call on public names."""

from heliograph.cli.program import main

__all__ = ["main"]
