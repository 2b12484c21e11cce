"""Sequences on board: loaded, run step by step through the command journal, and gone on with after a restart."""

from heliograph.node.sequences.commands import sequence_commands
from heliograph.node.sequences.sequencer import Sequencer

__all__ = ["Sequencer", "sequence_commands"]
