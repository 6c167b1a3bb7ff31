"""Message ids: ordered by time, with one spelling."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.protocol.values.ids import all_id_bytes, id_bytes, id_text, uuid7, uuid8

_times = st.integers(0, 2**48 - 1)
_entropy = st.binary(min_size=10, max_size=10)


def test_example_of_the_rfc() -> None:
    """The test vector of RFC 9562, appendix A.6, is met."""
    # rand_a is 0xCC3, rand_b is 0x18C4DC0C0C07398F; the bits above each are overwritten by version and variant.
    assert uuid7(0x017F22E279B0, bytes.fromhex("0cc318c4dc0c0c07398f")) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@given(_times, _entropy)
def test_uuid_of_version_7(milliseconds: int, entropy: bytes) -> None:
    """An id is a canonical UUID of version 7 that begins with the time."""
    text = uuid7(milliseconds, entropy)
    value = uuid.UUID(text)
    assert str(value) == text
    assert (value.version, value.variant) == (7, uuid.RFC_4122)
    assert value.int >> 80 == milliseconds


@given(st.binary(min_size=16, max_size=16))
def test_uuid_of_version_8(digest: bytes) -> None:
    """A hash leads to a canonical UUID of version 8 with its other 122 bits."""
    text = uuid8(digest)
    value = uuid.UUID(text)
    assert str(value) == text
    assert (value.version, value.variant) == (8, uuid.RFC_4122)
    kept = ~(0xF << 76 | 0x3 << 62)
    assert value.int & kept == int.from_bytes(digest, "big") & kept


@given(_times, _times, _entropy, _entropy)
def test_ids_are_ordered_by_time(one: int, other: int, entropy: bytes, more: bytes) -> None:
    """Of two ids the later one is the greater one, as text and as bytes."""
    if one != other:
        first, second = uuid7(min(one, other), entropy), uuid7(max(one, other), more)
        assert first < second
        assert id_bytes(first) < id_bytes(second)


@given(st.binary(min_size=16, max_size=16))
def test_bytes_round_trip(raw: bytes) -> None:
    """The 16 bytes of an id and its text are equivalent."""
    assert id_text(raw) == str(uuid.UUID(bytes=raw))
    assert id_bytes(id_text(raw)) == raw


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "01890a5dac96774bbcceb302099a8057",
        "01890a5d-ac96-774b-bcce-b302099a805",
        "01890a5d-ac96-774b-bcce-b302099a80577",
        "01890a5d-ac96-774b-bcce-b302099a805g",
        "{01890a5d-ac96-774b-bcce-b302099a8057}",
        "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
        "----01890a5dac96774bbcceb302099a8057",
        "    01890a5dac96774bbcceb302099a8057",
        "01890a5d ac96 774b bcce b302099a8057",
        "01890A5D-AC96-774B-BCCE-B302099A8057",
        "0189Оa5d-ac96-774b-bcce-b302099a8057",
        "٣" * 36,
    ],
)
def test_invalid_ids(text: str) -> None:
    """Anything but a UUID with its four hyphens raises ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 (the sentence is Python's own, and is not shown)
        id_bytes(text)


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1))
def test_many_ids(raw: list[bytes]) -> None:
    """Ids decode to the same bytes together and one by one."""
    assert all_id_bytes([id_text(one) for one in raw]) == raw


_nearly = st.text("0aF- ", min_size=34, max_size=38) | st.just("01890a5d-ac96-774b-bcce-b302099a8057")


@given(st.lists(_nearly, min_size=1, max_size=4))
def test_many_ids_with_an_invalid_one(texts: list[str]) -> None:
    """A list is refused if and only if one of its ids is."""
    try:
        one_by_one = [id_bytes(text) for text in texts]
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 (as above)
            all_id_bytes(texts)
    else:
        assert all_id_bytes(texts) == one_by_one


def test_two_halves_of_ids() -> None:
    """Two invalid texts whose concatenation is as long as two ids are refused."""
    both = "01890a5d-ac96-774b-bcce-b302099a8057" * 2
    with pytest.raises(ValueError):  # noqa: PT011 (as above)
        all_id_bytes([both[:35], both[35:]])
