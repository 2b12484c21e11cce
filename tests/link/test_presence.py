import msgspec
from hypothesis import given
from hypothesis import strategies as st

from heliograph.link.message import decode, encode
from heliograph.link.presence import Challenge, Hello

texts = st.text(max_size=40)
integers = st.integers(0, 1 << 62)
HELLO = Hello(
    nonce=b"\1\2", name="cam-1", key="ab" * 32, boot="cd" * 8, boot_time_ns=5, wall_time_ns=6, counter=7, spooled=8
)


@given(
    st.builds(
        Hello,
        nonce=st.binary(),
        name=texts,
        key=texts,
        boot=texts,
        boot_time_ns=integers,
        wall_time_ns=integers,
        started_boot_time_ns=integers,
        counter=integers,
        version=texts,
        files=texts,
        spooled=integers,
    )
)
def test_a_hello_arrives_as_it_was_sent(hello: Hello) -> None:
    assert decode(encode(hello), Hello) == hello


def test_the_bytes_on_the_wire() -> None:
    assert encode(Challenge(nonce=b"\1\2")).hex() == "93a96368616c6c656e67650181a56e6f6e6365c4020102"
    assert msgspec.msgpack.decode(encode(HELLO)) == [
        "hello",
        1,
        {
            "nonce": b"\1\2",
            "name": "cam-1",
            "key": "ab" * 32,
            "boot": "cd" * 8,
            "boot_time_ns": 5,
            "wall_time_ns": 6,
            "counter": 7,
            "spooled": 8,
        },
    ]


def test_what_an_older_program_leaves_out_is_nothing() -> None:
    old = msgspec.msgpack.encode(["challenge", 1, {"nonce": b"1"}])
    assert decode(old, Challenge) == Challenge(nonce=b"1", key="")
