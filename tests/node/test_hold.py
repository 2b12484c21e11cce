"""One node, one program."""

from pathlib import Path

import pytest

from heliograph.core import OutputError, SettingError
from heliograph.link.keys import PrivateKey
from heliograph.node.hold import held

NODE = PrivateKey.generate().public


def test_a_second_program_is_kept_out_and_let_in_afterwards(tmp_path: Path) -> None:
    state = tmp_path / "nodes" / "bench"
    with held(state, NODE), pytest.raises(SettingError, match="another node uses"), held(state, NODE):
        pass
    with held(state, NODE):
        assert (state / "lock").read_text().strip() == NODE.hex


def test_a_node_of_the_same_name_does_not_take_over_what_another_was_told(tmp_path: Path) -> None:
    with held(tmp_path, NODE):
        pass
    other = PrivateKey.generate().public
    with pytest.raises(SettingError, match=f"that of the node {NODE.short}"), held(tmp_path, other):
        pass


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="--state-dir"), held(tmp_path / "file" / "state", NODE):
        pass
