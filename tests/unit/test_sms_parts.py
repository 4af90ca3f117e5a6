"""The parts of an SMS, as `preview` marks them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zennotify.message.sms import Encoding, measure, parts

PIECES = st.sampled_from(["word ", "x" * 50, "[now]", "€", "{", "中", "😀", "\n"])


def units(part: str, encoding: Encoding) -> int:
    return measure(part).units if encoding is Encoding.GSM7 else len(part.encode("utf-16-le")) // 2


@given(st.lists(PIECES, max_size=150).map("".join))
def test_the_parts_are_the_text_and_as_many_as_are_counted(text: str) -> None:
    cut = parts(text)
    taken = measure(text)
    assert "".join(cut) == text
    assert len(cut) == taken.segments
    assert all(units(part, taken.encoding) <= taken.size for part in cut)


def test_no_part_ends_within_a_character() -> None:
    assert parts("x" * 152 + "€" + "y" * 10) == ["x" * 152, "€" + "y" * 10]
    assert [len(part) for part in parts("😀" * 36)] == [33, 3]
