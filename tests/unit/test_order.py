"""The words of `silences add`: what they mean, and everything that is wrong with them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.fakes import make_rule
from zennotify.cli.order import OrderReader, Words, read_match, read_moment
from zennotify.core.center import NOT_LISTED, Center, Centers
from zennotify.silences import Order

ZONE = "America/Los_Angeles"
#: 12:00 by the clock of the zone.
NOW = datetime(2026, 11, 26, 20, 0, tzinfo=UTC)
RULES = {
    "no-show": make_rule("no-show", "appointmentgroup.status"),
    "arrived": make_rule("arrived", "appointmentgroup.*"),
}


def reader(*centers: str, rules: bool = True) -> OrderReader:
    known = Centers(Center(id=str(number), name=name) for number, name in enumerate(centers))
    return OrderReader(now=NOW, time_zone=ZONE, rules=RULES if rules else None, centers=known or NOT_LISTED)


def problems(**words: Any) -> list[str]:
    one = reader()
    assert one.read(Words(**words)) is None
    return one.problems


def order(**words: Any) -> Order:
    one = reader()
    read = one.read(Words(**words))
    assert read is not None, one.problems
    return read


# --- what must hold -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "path", "wanted"),
    [
        ("center.name=Bellevue", "center.name", "Bellevue"),
        (" center.name = New York ", "center.name", "New York"),
        ("data.total=12", "data.total", 12),
        ("data.total=12.5", "data.total", 12.5),
        ("data.flag=true", "data.flag", True),
        ("data.flag=yes", "data.flag", "yes"),
        ("data.code=0123", "data.code", "0123"),
        ("data.time=22:00", "data.time", "22:00"),
        ("data.x=null", "data.x", None),
        ("data.total={gt: 5, lte: 9}", "data.total", {"gt": 5, "lte": 9}),
        ("center.name=[Bellevue, Redmond]", "center.name", ["Bellevue", "Redmond"]),
        ("session.name=Yoga: for beginners #1", "session.name", "Yoga: for beginners #1"),
        ("session.name=*flow", "session.name", "*flow"),
        ("session.name=- x", "session.name", "- x"),
        ("session.name='12'", "session.name", "12"),
        ('data.x="a=b"', "data.x", "a=b"),
        ("data.x=a=b", "data.x", "a=b"),
        ('data["a=b"]=c', 'data["a=b"]', "c"),
        ("data['a=b'][0]=c", "data['a=b'][0]", "c"),
        ("data.guests[*].id=7", "data.guests[*].id", 7),
    ],
)
def test_a_clause_is_a_path_and_a_value_as_in_a_rule_file(text: str, path: str, wanted: Any) -> None:
    assert read_match(text) == (path, wanted)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("center.name", "PATH=VALUE is expected, e.g. center.name=Bellevue"),
        ("center.name=", "a value is missing behind the `=`; what has no value is null"),
        ("center.name==Bellevue", "one `=` is enough: center.name=Bellevue"),
        ("center.name!=Bellevue", "PATH=VALUE is expected; write it as: 'center.name={not: Bellevue}'"),
        ("data.total>=5", "PATH=VALUE is expected; write it as: 'data.total={gte: 5}'"),
        ("data.total<=5", "PATH=VALUE is expected; write it as: 'data.total={lte: 5}'"),
        ("data.total={gt: 5", "the mapping that opens here with `{` goes wrong or is not closed with `}`"),
        ("center.name='Bellevue", "the quote that opens here is not closed"),
    ],
)
def test_what_is_no_clause_says_how_to_write_it(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence) + "$"):
        read_match(text)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = problems(
        rule="no-shw",
        match=("center.nme=x", "data.total={gtt: 5}", "x", "data.a=1", "data.a=2"),
        since="soon",
        until="tomorrow",
    )
    assert found == [
        "there is no rule `no-shw`; did you mean `no-show`?",
        "--match x: PATH=VALUE is expected, e.g. center.name=Bellevue",
        "--match data.a=2: `data.a` is given twice; several values are a list: data.a=[one, another]",
        "--match: `center` has no `nme`; did you mean `name`?",
        "--match: `data.total.gtt`: unknown operator; did you mean `gt`?",
        "--from soon: a time is expected, e.g. 18:00, or 2026-11-26 18:00, by the clock of America/Los_Angeles",
        "--until tomorrow: a time is expected, e.g. 18:00, or 2026-11-26 18:00, by the clock of America/Los_Angeles",
    ]


def test_something_has_to_be_muted_and_for_some_time() -> None:
    assert problems() == [
        "say what to mute: --rule RULE, --match PATH=VALUE (e.g. center.name=Bellevue), or both",
        "say how long: --for 2h, or --until 18:00 (one of the two)",
    ]
    assert problems(rule="no-show", lasts="2h", until="18:00") == [
        "say how long: --for 2h, or --until 18:00 (one of the two)"
    ]
    assert problems(rule="zzz", lasts="1h") == ["there is no rule `zzz`; there are: no-show, arrived"]


def test_a_clause_is_held_against_what_the_events_of_the_rule_carry() -> None:
    assert problems(rule="no-show", lasts="1h", match=("data.is_noshwfeerequired=yes",)) == [
        "--match data.is_noshwfeerequired: AppointmentGroup.Status carries no `data.is_noshwfeerequired`;"
        " did you mean `data.is_noshowfeerequired`?"
    ]
    one = reader()
    assert one.read(Words(rule="no-show", lasts="1h", match=("session.name=Yoga",))) is not None
    assert one.warnings == [
        "--match session.name: AppointmentGroup.Status never leads to a session, so `session.name` is never known:"
        " the clause never holds"
    ]
    one = reader()
    assert one.read(Words(lasts="1h", match=("data.totl=1",))) is not None
    assert one.warnings == [
        "--match data.totl: no event of * that zennotify knows carries `data.totl`; did you mean `data.total`?"
    ]


def test_a_centre_that_is_not_listed_is_warned_of() -> None:
    one = reader("Bellevue", "Redmond")
    words = Words(lasts="1h", match=("center.name=[redmond, Belevue]",))
    assert one.read(words) is not None
    assert one.warnings == [
        "--match center.name: no centre in centers.yaml is called `belevue`; did you mean `Bellevue`?"
    ]
    for fine in (reader("Bellevue"), reader()):
        assert fine.read(Words(lasts="1h", match=("center.name=Bellevue",))) is not None
        assert fine.warnings == []


def test_where_nobody_knows_the_rules_any_is_taken() -> None:
    read = reader(rules=False).read(Words(rule="whatever", lasts="1h"))
    assert read is not None
    assert read.rule == "whatever"


# --- how long -----------------------------------------------------------------------------------------------


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-27 18:00", local("2026-11-27T18:00")),
        ("2026-11-27T18:00:30", local("2026-11-27T18:00:30")),
        ("2026-11-27T18:00Z", datetime(2026, 11, 27, 18, tzinfo=UTC)),
        ("18:00", local("2026-11-26T18:00")),
        ("9:30", local("2026-11-27T09:30")),
        ("12:00", local("2026-11-27T12:00")),
        # Twice that night: the first of the two.
        ("2026-11-01 01:30", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_meant_by_the_clock_of_the_configuration(text: str, moment: datetime) -> None:
    assert read_moment(text, NOW.astimezone(ZoneInfo(ZONE))) == moment


@pytest.mark.parametrize(
    "text", ["", "soon", "9999-12-31 23:59", "24:00", "12:60", "2026-11-27", "2026-13-27 18:00", "18", "1800"]
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert read_moment(text, NOW.astimezone(ZoneInfo(ZONE))) is None


def test_a_duration_counts_from_now_or_from_the_beginning_that_is_said() -> None:
    assert order(rule="no-show", lasts="2h") == Order(
        rule="no-show", match={}, since=None, until=None, seconds=7200, why="", by=""
    )
    later = order(rule="no-show", lasts="2h", since="18:00", why=" stock \udcff taking ", by="Nora")
    assert (later.since, later.until, later.seconds) == ("2026-11-27T02:00:00+00:00", None, 7200)
    assert (later.why, later.by) == ("stock ? taking", "Nora")


def test_an_hour_of_the_end_is_the_first_after_the_beginning() -> None:
    night = order(rule="no-show", since="22:00", until="6:00")
    assert (night.since, night.until) == ("2026-11-27T06:00:00+00:00", "2026-11-27T14:00:00+00:00")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            {"lasts": "2"},
            "--for 2: a duration is a whole number and a unit (s, m, h or d), e.g. 90s, 15m, 24h, 30d",
        ),
        ({"lasts": "0h"}, "--for 0h: it would be over before it begins"),
        ({"until": "2026-11-26 12:00"}, "--until 2026-11-26 12:00: it would be over before it begins"),
        (
            {"until": "2026-11-27 12:00", "since": "2026-11-28 12:00"},
            "--until 2026-11-27 12:00: it would be over before it begins",
        ),
        ({"until": "9998-12-31 23:59"}, "a silence ends within 36500d"),
        ({"lasts": "1h", "since": "9998-12-31 23:59"}, "a silence ends within 36500d"),
    ],
)
def test_a_span_that_cannot_be_is_refused(words: dict[str, Any], sentence: str) -> None:
    assert problems(rule="no-show", **words) == [sentence]


def test_the_longest_ends_in_a_hundred_years() -> None:
    assert order(rule="no-show", lasts="36500d").seconds == timedelta(days=36500).total_seconds()
