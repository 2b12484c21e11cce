"""NODE:PATH as people write it."""

import pytest

from heliograph.cli.place import Place, needed_place, place
from heliograph.core import SettingError


@pytest.mark.parametrize(
    ("word", "node", "path", "is_folder", "name"),
    [
        ("cam-1:a.png", "cam-1", "a.png", False, "a.png"),
        ("cam-1:/a/b c.png", "cam-1", "a/b c.png", False, "b c.png"),
        ("cam-1:", "cam-1", "", True, ""),
        ("cam-1:/", "cam-1", "", True, ""),
        ("cam-1:a/", "cam-1", "a/", True, "a"),
        ("9f86d081884c7d65:a:b", "9f86d081884c7d65", "a:b", False, "a:b"),
    ],
)
def test_a_place_on_a_node(word: str, node: str, path: str, is_folder: bool, name: str) -> None:
    found = needed_place(word)
    assert found == Place(node, path)
    assert (found.is_folder, found.name) == (is_folder, name)
    assert str(found) == f"{node}:{path}"


@pytest.mark.parametrize("word", ["a.png", "./a:b", "/tmp/a:b", ":a", ""])
def test_a_file_of_this_machine(word: str) -> None:
    assert place(word) is None
    with pytest.raises(SettingError, match="NODE:PATH"):
        needed_place(word)
