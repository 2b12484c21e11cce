from hypothesis import given
from hypothesis import strategies as st

from heliograph.desk.region import Region

sizes = st.integers(1, 500)
places = st.integers(-600, 600)


@given(places, places, st.integers(0, 600), st.integers(0, 600), sizes, sizes)
def test_what_is_inside_lies_inside(left: int, top: int, width: int, height: int, across: int, down: int) -> None:
    inside = Region(left, top, width, height).inside(across, down)
    assert 0 <= inside.left < inside.left + inside.width <= across
    assert 0 <= inside.top < inside.top + inside.height <= down


@given(sizes, sizes)
def test_the_centre_is_the_middle_quarter(width: int, height: int) -> None:
    centre = Region.centre(width, height)
    assert centre == centre.inside(width, height)
    assert abs(2 * centre.left + centre.width - width) <= 2
    assert abs(2 * centre.top + centre.height - height) <= 2
