"""The program `heliograph`: one small file for each command, each a call on public names."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the program; Ctrl-C is one line and an exit status, also while the program is being loaded."""
    try:
        from heliograph.cli.program import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("heliograph: interrupted\n")
        sys.exit(130)
