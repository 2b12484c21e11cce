"""Sequences of timed commands: their language, what is wrong in one, and what will run when.

The same code judges a sequence on the ground before it is sent and on board while it runs.
"""

from heliograph.link.sequence.checking import check, definitions_of, hazards
from heliograph.link.sequence.dictionary_file import read_dictionary, write_dictionary
from heliograph.link.sequence.language import Fault, Step, parse
from heliograph.link.sequence.run import Moment, OnFailure, SequenceRun, Start, Wait, step_command_id
from heliograph.link.sequence.timetable import Row, timetable
from heliograph.link.sequence.when import After, At

__all__ = [
    "After",
    "At",
    "Fault",
    "Moment",
    "OnFailure",
    "Row",
    "SequenceRun",
    "Start",
    "Step",
    "Wait",
    "check",
    "definitions_of",
    "hazards",
    "parse",
    "read_dictionary",
    "step_command_id",
    "timetable",
    "write_dictionary",
]
