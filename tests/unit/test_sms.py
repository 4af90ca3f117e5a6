"""SMS: parts counted as networks count them, smart characters, and the cut."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zennotify.message.cut import kept, sign_start
from zennotify.message.sms import Encoding, Segments, fit, measure, plain

GSM, UCS = Encoding.GSM7, Encoding.UCS2
FAMILY = "👨‍👩‍👧‍👦"
#: What people write: words, typography, what is two units, signs made of several characters, other scripts.
PIECES = st.one_of(
    st.sampled_from(["a", "word ", "Zoë", "€", "[x]", "{", "\n", "x" * 40, "https://example.com/a?b=c "]),
    st.sampled_from(["’", "“Hi” ", "–", "…", "\u00a0", "é", "e\u0301", "中", "한국어 ", "ก็"]),
    st.sampled_from([FAMILY, "😀", "🇩🇪", "👍🏽", "❤️", "1️⃣", "\U0010ffff"]),
)
TEXTS = st.one_of(st.lists(PIECES, max_size=120).map("".join), st.text(max_size=700))


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", Segments(GSM, 0, 1, 160, 160)),
        ("x" * 160, Segments(GSM, 160, 1, 160, 0)),
        ("x" * 161, Segments(GSM, 161, 2, 153, 145)),
        ("x" * 306, Segments(GSM, 306, 2, 153, 0)),
        ("x" * 307, Segments(GSM, 307, 3, 153, 152)),
        ("{" * 80, Segments(GSM, 160, 1, 160, 0)),
        ("{" * 81, Segments(GSM, 162, 2, 153, 143)),
        # An escape and its character stay in one part: the last unit of each of 153 is lost.
        ("{" * 153, Segments(GSM, 306, 3, 153, 151)),
        ("x" * 152 + "€" + "x" * 10, Segments(GSM, 164, 2, 153, 141)),
        ("Zo\u00eb" + "x" * 68, Segments(UCS, 71, 2, 67, 63)),
        ("\u00e9" * 160, Segments(GSM, 160, 1, 160, 0)),
        ("中" * 70, Segments(UCS, 70, 1, 70, 0)),
        ("中" * 71, Segments(UCS, 71, 2, 67, 63)),
        ("😀" * 35, Segments(UCS, 70, 1, 70, 0)),
        # A pair of surrogates stays in one part: 33 of them in each of 67 units.
        ("😀" * 36, Segments(UCS, 72, 2, 67, 61)),
        ("😀" * 67, Segments(UCS, 134, 3, 67, 65)),
        ("x" * 159 + "😀", Segments(UCS, 161, 3, 67, 40)),
    ],
)
def test_parts_are_counted_as_networks_count_them(text: str, segments: Segments) -> None:
    assert measure(text) == segments


@pytest.mark.parametrize(
    ("text", "plainer"),
    [
        ("Ann’s “Yoga” – 9:15\u202fAM…" + "x" * 100, 'Ann\'s "Yoga" - 9:15 AM...' + "x" * 100),
        ("• a → b\u00a0× 2 ≤ 3" + "x" * 70, "- a -> b x 2 <= 3" + "x" * 70),
        ("e\u0301" * 60, "é" * 60),
    ],
)
def test_smart_characters_are_made_plain_where_that_saves_a_part(text: str, plainer: str) -> None:
    assert plain(text) == plainer
    assert measure(plainer).segments < measure(text).segments


@pytest.mark.parametrize(
    "text", ["Ann’s “Yoga”", "Ann’s 😀 " + "x" * 100, "Ann's" + "x" * 200, "“" + "中" * 80 + "”"]
)
def test_smart_characters_stay_where_nothing_is_saved(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize(
    ("text", "segments", "cut"),
    [
        ("word " * 40, 1, "word " * 26 + "word... (66 more characters)"),
        ("中文 " * 40, 1, "中文 " * 22 + "中文…"),
        ("中文 " * 60, 2, "中文 " * 36 + "中文… (70 more characters)"),
        # Made plain it fits.
        ("“Yoga” " * 20, 1, '"Yoga" ' * 20),
        # Without its end it is GSM-7, and twice as much of it can stay.
        ("word " * 40 + "😀", 1, "word " * 26 + "word... (67 more characters)"),
        # No word ends where it could be cut.
        ("x" * 500, 1, "x" * 135 + "... (365 more characters)"),
    ],
)
def test_what_is_too_long_is_cut_at_a_word_with_a_note(text: str, segments: int, cut: str) -> None:
    assert fit(text, segments) == cut
    assert measure(cut).segments == segments


@given(TEXTS)
def test_a_text_of_n_units_has_the_parts_that_hold_them(text: str) -> None:
    found = measure(text)
    assert (found.encoding is UCS) == any(measure(char).encoding is UCS for char in text)
    if found.encoding is UCS:
        assert found.units == len(text.encode("utf-16-le", "surrogatepass")) // 2
    assert found.segments >= max(1, math.ceil(found.units / found.size))
    assert 0 <= found.left <= found.size
    lost = found.segments * found.size - found.units - found.left
    assert 0 <= lost < found.segments


@given(TEXTS)
def test_plain_never_costs_a_part_and_a_second_time_changes_nothing(text: str) -> None:
    once = plain(text)
    assert measure(once).segments <= measure(text).segments
    assert plain(once) == once


@given(TEXTS, st.integers(1, 10))
def test_a_text_is_kept_to_its_parts(text: str, segments: int) -> None:
    cut = fit(text, segments)
    assert measure(cut).segments <= segments
    assert fit(cut, segments) == cut
    if measure(text).segments <= segments:
        assert cut == text
    # More room never shows less.
    assert len(fit(text, segments + 1)) >= len(cut) - len("... (700 more characters)")


@given(st.lists(PIECES, max_size=60), st.integers(0, 300))
def test_a_cut_never_falls_into_a_sign(pieces: list[str], most: int) -> None:
    text = "".join(pieces)
    start = kept(text, most)
    assert len(start) <= most
    assert text.startswith(start)
    for sign in (FAMILY, "🇩🇪", "👍🏽", "❤️", "1️⃣", "e\u0301", "ก็"):
        for place in range(len(text)):
            if text.startswith(sign, place):
                assert not place < len(start) < place + len(sign)


def test_where_a_sign_has_no_end_it_is_cut_all_the_same() -> None:
    assert sign_start("x" + "\u0301" * 500, 300) == 300
    assert len(kept("🇩" * 500, 301)) in {300, 301}
