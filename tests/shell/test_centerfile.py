"""centers.yaml: what a good file means, and what is said of a bad one."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zennotify.centerfile import CenterFile, read_centers
from zennotify.core.hours import ALL_DAY, Range

ROOT = Path(__file__).parents[2]
BAD = ROOT / "tests/data/bad/centers"
CHANNELS = ("front-desk", "manager-mail", "manager-sms", "slack-bellevue", "north-sms")


def read(text: str, channels: tuple[str, ...] | None = CHANNELS) -> CenterFile:
    return read_centers(text, "centers.yaml", channels)


def said(text: str) -> list[str]:
    return [str(problem) for problem in read(text).problems]


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_bad_file_gets_exactly_these_sentences(path: Path) -> None:
    problems = read_centers(path.read_text("utf-8"), path.name, CHANNELS).problems
    assert [str(problem) for problem in problems] == path.with_suffix(".txt").read_text("utf-8").splitlines()


def test_every_bad_file_has_its_sentences() -> None:
    assert {path.stem for path in BAD.glob("*.txt")} == {path.stem for path in BAD.glob("*.yaml")}
    assert all(path.read_text("utf-8") for path in BAD.glob("*.txt"))
    assert len(list(BAD.glob("*.yaml"))) > 15


_WORDS = st.sampled_from(
    [
        "centers",
        "regions",
        "c1",
        "C1",
        "north",
        "name",
        "region",
        "time_zone",
        "country",
        "currency",
        "hours",
        "channels",
        "mon",
        "sat,sun",
        "fri-mon",
        "2026-12-25",
        "front-desk",
        "UTC",
        "US",
        "open",
        "closed",
        "09:00-20:00",
    ]
)
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), _WORDS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(_WORDS, st.text(max_size=3)), inner, max_size=5),
    ),
)


@given(st.one_of(_VALUES, st.fixed_dictionaries({"centers": _VALUES, "regions": _VALUES})))
def test_whatever_is_written_there_is_a_sentence_for_it(value: object) -> None:
    file = read(json.dumps(value))  # JSON is YAML
    assert all(problem.message for problem in file.problems)


GOOD = """
centers:
  1AAB4FD2-2ff3-4ede-bca2-74aa2ccb54b6:
    name: " Bellevue "
    region: north
    time_zone: America/Los_Angeles
    country: US
    currency: USD
    hours: {Mon-Fri: "09:00-12:00, 13:00-20:00", sat: 22:00-02:00, sun: closed, 2026-12-25: closed, 2026-12-31: open}
    channels: {front-desk: slack-bellevue, manager: [manager-mail, manager-sms, manager-mail]}
  442af543-6b2c-7677-65t3-4dff40d43987: {country: NO}
  89607:
regions:
  north: {channels: {regional: north-sms}}
"""


def test_a_good_file_is_read_with_all_its_keys() -> None:
    file = read(GOOD)
    assert file.problems == ()
    bellevue, other, bare = file.centers
    assert (bellevue.id, bellevue.name, bellevue.region) == (
        "1AAB4FD2-2ff3-4ede-bca2-74aa2ccb54b6",
        "Bellevue",
        "north",
    )
    assert (bellevue.time_zone, bellevue.country, bellevue.currency) == ("America/Los_Angeles", "US", "USD")
    assert bellevue.roles == {
        "front-desk": ("slack-bellevue",),
        "manager": ("manager-mail", "manager-sms"),
    }
    assert bellevue.hours is not None
    weekday = (Range(540, 720), Range(780, 1200))
    assert bellevue.hours.week == (*[weekday] * 5, (Range(1320, 1560),), ())
    assert bellevue.hours.dates == {date(2026, 12, 25): (), date(2026, 12, 31): ALL_DAY}
    assert (other.country, other.name, other.hours) == ("NO", None, None)
    assert (bare.id, bare.roles) == ("89607", {})
    assert file.centers.get(89607) is bare
    assert file.centers.channels_of("regional", "1aab4fd2-2ff3-4ede-bca2-74aa2ccb54b6") == ("north-sms",)
    assert set(file.roles or ()) == {"front-desk", "manager", "regional"} == file.centers.roles


@pytest.mark.parametrize(
    "text", ["centers:\n", "centers: {}\nregions:\n", "{}\n", "centers:\n  c1:\n    hours:\n    channels:\n"]
)
def test_sections_may_be_empty(text: str) -> None:
    assert said(text) == []


def test_no_file_is_no_centres() -> None:
    file = read_centers(None, "centers.yaml", CHANNELS)
    assert (list(file.centers), file.problems, file.roles) == ([], (), {})
    assert file.centers.channels_of("front-desk", "c1") == ("front-desk",)
    assert file.centers.channels_of("nobody", "c1") == ()


def test_what_can_be_read_of_a_bad_file_is_kept_for_further_checks() -> None:
    file = read("centers:\n  c1: {name: A, time_zone: x, channels: {a: front-desk, b: nope}}\n")
    (center,) = file.centers
    assert (center.name, center.time_zone) == ("A", None)
    assert set(file.roles or ()) == {"a", "b"}


def test_a_file_of_the_past_may_name_channels_that_are_gone() -> None:
    assert read("centers: {c1: {channels: {front-desk: gone}}}", channels=None).problems == ()


def test_the_shipped_example_is_good_and_says_what_the_design_says() -> None:
    file = read_centers((ROOT / "centers.yaml").read_text("utf-8"), "centers.yaml", CHANNELS)
    assert file.problems == ()
    bellevue = file.centers.get("1aab4fd2-2ff3-4ede-bca2-74aa2ccb54b6")
    assert bellevue is not None
    assert (bellevue.name, bellevue.time_zone) == ("Bellevue", "America/Los_Angeles")


def test_five_hundred_centres_are_read() -> None:
    text = "centers:\n" + "".join(
        f"  {number:08x}-2ff3-4ede-bca2-74aa2ccb54b6:\n"
        f"    {{name: Salon {number}, region: r{number % 20}, time_zone: Europe/London, country: GB, currency: GBP,\n"
        f"     hours: {{mon-fri: 09:00-20:00, sat: 10:00-18:00, sun: closed}}, channels: {{front-desk: c{number}}}}}\n"
        for number in range(500)
    )
    text += "regions:\n" + "".join(f"  r{n}: {{channels: {{regional: c{n}}}}}\n" for n in range(20))
    channels = tuple(f"c{number}" for number in range(500))
    file = read(text, channels)
    assert (len(file.centers), file.problems) == (500, ())
    assert len(read(text.replace("London", "Londno"), channels).problems) == 500
