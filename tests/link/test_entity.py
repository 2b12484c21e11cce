"""Numbers of who is at either end of a transfer."""

from heliograph.link.entity import entity_of
from heliograph.link.keys import PublicKey


def test_a_key_has_one_number_and_each_purpose_another() -> None:
    keys = [PublicKey(bytes([number]) * 32) for number in (1, 2)]
    numbers = {entity_of(key, purpose) for key in keys for purpose in ("", "one", "no utf-8 \udcff")}
    assert len(numbers) == 6
    assert all(0 <= number < 1 << 32 for number in numbers)
    # It must stay: a transfer under way is known by it after an update of this program.
    assert entity_of(PublicKey(bytes([1]) * 32)) == 0x72CD6E84
