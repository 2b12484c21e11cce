"""Sequences of timed commands: their language, what is wrong in one, and what will run when.

The same code judges a sequence on the ground before it is sent and on board while it runs.
"""

from heliograph.link.sequence.checking import check, definitions_of, hazards
from heliograph.link.sequence.language import Fault, Step, parse
from heliograph.link.sequence.run import OnFailure
from heliograph.link.sequence.source import fetch_dictionary, read_dictionary, write_dictionary
from heliograph.link.sequence.timetable import Row, timetable
from heliograph.link.sequence.watch import RunWatch

__all__ = [
    "Fault",
    "OnFailure",
    "Row",
    "RunWatch",
    "Step",
    "check",
    "definitions_of",
    "fetch_dictionary",
    "hazards",
    "parse",
    "read_dictionary",
    "timetable",
    "write_dictionary",
]
