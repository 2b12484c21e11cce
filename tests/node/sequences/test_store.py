from dataclasses import replace
from pathlib import Path

from heliograph.link.sequence.run import Moment, OnFailure, RunState
from heliograph.node.sequences.store import SequenceStore, StepState, StoredRun, StoredSequence, StoredStep

MOMENT = Moment(1, 2, "machine", synchronised=True)
RUN = StoredRun("00", "flight", "R00:00:00 a", "ada", OnFailure.CONTINUE, 5, MOMENT)
FILE = "sequences.db"


def test_what_is_kept_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    sequence = StoredSequence("flight", "R00:00:00 a ; Ä", "ada", 3)
    steps = [
        StoredStep(1, StepState.COMPLETED, "", replace(MOMENT, synchronised=False)),
        StoredStep(2, StepState.FAILED, "no camera", MOMENT),
    ]
    store = SequenceStore(tmp_path / FILE)
    store.save(replace(sequence, text="old"))
    store.save(sequence)
    store.begin_run(RUN)
    store.note_step(RUN.id, replace(steps[0], state=StepState.RUNNING))
    for each in steps:
        store.note_step(RUN.id, each)
    store.end_run(RUN.id, RunState.FAILED, "because")
    store.close()
    store = SequenceStore(tmp_path / FILE)
    assert store.sequences() == [sequence]
    assert store.runs() == [replace(RUN, state=RunState.FAILED, reason="because")]
    assert store.steps(RUN.id) == steps
    assert store.steps("other") == []
    assert store.delete("flight")
    assert not store.delete("flight")
    assert store.sequences() == []
    store.close()


def test_only_the_newest_ended_runs_are_kept_and_every_one_under_way(tmp_path: Path) -> None:
    store = SequenceStore(tmp_path / FILE, runs_kept=3)
    for number in range(6):
        store.begin_run(replace(RUN, id=str(number)))
        store.note_step(str(number), StoredStep(1, StepState.RUNNING, "", MOMENT))
        if number != 1:
            store.end_run(str(number), RunState.COMPLETED, "")
    assert [each.id for each in store.runs()] == ["1", "3", "4", "5"]
    assert [len(store.steps(str(number))) for number in range(6)] == [0, 1, 0, 1, 1, 1]
    store.close()


def test_a_damaged_file_does_not_keep_the_node_from_starting(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all" * 1000)
    store = SequenceStore(tmp_path / FILE)
    assert store.runs() == []
    store.close()
    assert (tmp_path / f"{FILE}.aside").exists()
