"""Which paths a file can be asked for by; what a root makes of them is tested with roots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import SettingError
from heliograph.link.paths import is_name, is_path, names_of


@given(st.text())
def test_names_are_plain_or_refused(path: str) -> None:
    try:
        names = names_of(path)
    except SettingError:
        return
    assert all(name not in ("", ".", "..") and "/" not in name and is_name(name) for name in names)
    assert names_of("/".join(names)) == names


@pytest.mark.parametrize(
    "path", [".", "", "a", "a/b", "a//./b/", "..a", "a..", "Gr\u00fc\u00dfe", "\U0001f600", "x" * 255, "\u00a0"]
)
def test_odd_but_good(path: str) -> None:
    assert is_path(path)
