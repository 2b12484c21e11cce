"""Texts in registers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import RemoteProtocolError
from heliograph.gige.text import pack_text, unpack_text


@given(st.text(), st.integers(4, 64), st.booleans())
def test_text_is_cut_at_a_character_and_reads_back(text: str, length: int, terminated: bool) -> None:
    packed = pack_text(text, length, terminated=terminated)
    assert len(packed) == length
    assert packed.endswith(b"\0") or not terminated
    assert text.split("\0", maxsplit=1)[0].startswith(unpack_text(packed))


def test_a_text_may_fill_its_register() -> None:
    assert unpack_text(pack_text("sixteen--letters", 16, terminated=False)) == "sixteen--letters"
    assert unpack_text(pack_text("sixteen--letters", 16)) == "sixteen--letter"


def test_text_that_is_no_utf8_is_refused_or_made_readable() -> None:
    with pytest.raises(RemoteProtocolError):
        unpack_text(b"\xff\xfe\0\0")
    assert unpack_text(b"\xffa\0b", "replace") == "\ufffda"
