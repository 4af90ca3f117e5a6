"""Years on paper: several rules and events, with exact times, for every key and for keys together in their order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import clause, make_once, make_rule
from tests.onpaper import (
    Timeline,
    at,
    clock_of,
    digest,
    directory_of,
    during,
    hours,
    minutes,
    opening_hours,
    paths,
    suppressed_by,
    threshold,
    wait,
)
from zennotify.core.absent import Absent
from zennotify.core.center import Center, Centers
from zennotify.core.during import Otherwise
from zennotify.core.escalation import Step
from zennotify.core.model import Names, Reason
from zennotify.core.notify import Directory
from zennotify.core.rule import Rule
from zennotify.core.silence import Silence
from zennotify.core.stale import Stale, Then

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = at(0)


# --- the order of the stages ----------------------------------------------------------------------------------------

#: The stages in their order: for each, what makes it stop an event, and the reason that it gives.
#: An event is of 11:00, arrives at 12:00, and is the second of its key.
STOPS: dict[str, tuple[dict[str, Any], Reason | None]] = {
    "event": ({"events": ("guest.created",)}, None),
    "match": ({"match": (clause("data.id", 7),)}, None),
    "when": ({"when": lambda _names: False}, None),
    "threshold": ({"threshold": threshold(3, HOUR, "data.id")}, Reason.BELOW_THRESHOLD),
    "stale": ({"stale": Stale(HOUR, "1h", Then.DROP)}, Reason.STALE),
    "silence": ({}, Reason.SILENCED),
    "suppressed": ({"suppressed": suppressed_by("other", HOUR, "data.id")}, Reason.SUPPRESSED),
    "hours (drop)": ({"hours": hours("15:00-16:00", Otherwise.DROP)}, Reason.OUTSIDE_HOURS),
    "wait": ({"wait": wait(minutes(10))}, Reason.WAITING),
    "once": ({"once": make_once("data.id", period=DAY)}, Reason.HELD_BACK),
    "digest": ({"digest": digest(minutes(30))}, Reason.DIGESTED),
    "hours (hold)": ({"hours": hours("15:00-16:00")}, Reason.NOTIFIED),
    "notify": ({"notify": ("nobody",)}, Reason.NO_RECIPIENT),
}


def stopped_by(*stages: str) -> Timeline:
    """Let an event meet a rule with all of these stages; what `once` limits has had its message."""
    settings: dict[str, Any] = {"events": ("class.booking.noshow",), "notify": ("desk",)}
    for stage in stages:
        settings |= STOPS[stage][0]
    silences = [Silence(id="s", rule="r", since=at(-1), until=at(60))] if "silence" in stages else []
    centers = Centers([Center(id="c", roles={"desk": ("desk",)})], channels={"desk"})
    line = Timeline(
        make_rule("other", notify=("desk",)),
        Rule(id="r", **settings),
        directory=Directory(centers=centers),
        silences=silences,
    )
    if "once" in stages:
        line.load(make_rule(once=make_once("data.id", period=DAY)))
        line.event(at(-1), id=1, at=at(-200), center_id="c")
        line.load(make_rule("other", notify=("desk",)), Rule(id="r", **settings))
    line.event(NOW, id=1, at=at(-60), center_id="c")
    return line


@pytest.mark.parametrize("first", STOPS)
@pytest.mark.parametrize("second", STOPS)
def test_of_two_stages_that_would_stop_an_event_the_earlier_one_does(first: str, second: str) -> None:
    order = list(STOPS)
    if order.index(first) > order.index(second) or {first, second} == {"hours (drop)", "hours (hold)"}:
        return
    line = stopped_by(first, second)
    event = line.events[-1].id
    reason = STOPS[first][1]
    if first == "hours (hold)" and second == "notify":
        reason = Reason.NO_RECIPIENT  # what is held goes on; it is only later
    assert line.kept.became.get((event, "r"), (None,))[0] == reason


@pytest.mark.parametrize("stage", list(STOPS)[: list(STOPS).index("once")])
def test_what_is_stopped_before_once_never_starts_its_period(stage: str) -> None:
    settings: dict[str, Any] = {"events": ("class.booking.noshow",)} | STOPS[stage][0]
    rule = Rule(id="r", **settings, once=make_once("data.id", period=DAY), notify=("desk",))
    silences = [Silence(id="s", rule="r", since=at(-1), until=at(5))] if stage == "silence" else []
    line = Timeline(make_rule("other"), rule, silences=silences)
    line.event(NOW, id=1, at=at(-60))
    assert [key for key in line.kept.windows if key.stage == "once"] == []
    line.load(make_rule(once=make_once("data.id", period=DAY)))
    line.event(at(9), id=1)
    assert line.reason("e2") == "notified"


# --- keys together ----------------------------------------------------------------------------------------------


def test_third_no_show_within_ninety_days_once_a_month() -> None:
    line = Timeline(
        make_rule(
            threshold=threshold(3, 90 * DAY, "data.guest"), once=make_once("data.guest", period=30 * DAY)
        )
    )
    for day in (0, 40, 89, 95, 125, 179, 400):
        line.event(NOW + day * DAY, guest="g")
    assert [(text.partition(" r ")[0], sent.counted, sent.held_back) for text, sent in zip(
        line.told, line.kept.sent, strict=True
    )] == [("89 days, 0:00:00", 3, 0), ("125 days, 0:00:00", 4, 1), ("179 days, 0:00:00", 3, 0)]  # fmt: skip
    assert [line.reason(f"e{place}") for place in range(1, 8)] == [
        "below_threshold",
        "below_threshold",
        "notified",
        "held_back",
        "notified",
        "notified",
        "below_threshold",
    ]


def test_a_class_with_twenty_bookings_is_one_message() -> None:
    line = Timeline(
        make_rule("class", "class.session.cancelled"),
        make_rule(
            "booking",
            "class.booking.cancelled",
            suppressed=suppressed_by("class", 2 * HOUR, "data.session"),
            wait=wait(minutes(2), per=("data.booking",)),
        ),
    )
    for booking in range(10):
        line.event(at(booking / 100), "Class.Booking.Cancelled", session="s", booking=booking)
    line.event(at(1), "Class.Session.Cancelled", session="s")
    for booking in range(10, 20):
        line.event(at(1 + booking / 100), "Class.Booking.Cancelled", session="s", booking=booking)
    line.event(at(1.5), "Class.Booking.Cancelled", session="t", booking=21)
    line.until(at(100))
    assert line.told == ["0:01:00 class > desk: e11", "0:03:30 booking > desk: e22"]
    assert [reason for (_, rule), (reason, _) in line.kept.became.items() if rule == "booking"] == [
        *["suppressed"] * 20,
        "notified",
    ]


def test_every_stage_of_one_rule_in_turn() -> None:
    """Two of a key in an hour; unless it is undone in ten minutes; once in two hours; each half an hour; by day."""
    line = Timeline(
        make_rule(
            threshold=threshold(2, HOUR, "data.id"),
            stale=Stale(HOUR, "1h", Then.DROP),
            hours=hours("13:00-21:00"),
            wait=wait(minutes(10), "Undone"),
            once=make_once("data.id", period=2 * HOUR),
            digest=digest(minutes(30)),
            escalate=(Step(minutes(20), ("boss",)),),
        )
    )
    line.event(at(0), id=1)  # e1: below
    line.event(at(1), id=1)  # e2: waits until 12:11, digest until 12:41, held until 13:00, boss at 13:20
    line.event(at(1), id=2)  # e3: below
    line.event(at(2), id=2)  # e4: waits until 12:12, and is undone
    line.event(at(5), "Undone", id=2)  # e5
    line.event(at(6), id=2)  # e6: waits until 12:16
    line.event(at(20), id=1)  # e7: waits until 12:30, and is held back
    line.event(at(21), id=1, at=at(-40))  # e8: stale
    line.event(at(31), id=3, at=at(20))  # e9: below
    line.event(at(32), id=3)  # e10: waits until 12:42, digest until 13:12, boss at 13:32
    line.until(at(1000))
    assert line.told == [
        "1:00:00 r > desk: e2 e6",
        "1:12:00 r > desk: e10",
        "1:20:00 r > boss: e2 e6",
        "1:32:00 r > boss: e10",
    ]
    assert {event: line.kept.became[event, "r"][0] for event, _ in line.kept.became} == {
        "e1": "below_threshold",
        "e2": "digested",
        "e3": "below_threshold",
        "e4": "withdrawn",
        "e6": "digested",
        "e7": "held_back",
        "e8": "stale",
        "e9": "below_threshold",
        "e10": "digested",
    }
    assert line.detail("e2") == "until 2026-03-01T12:41:00+00:00"
    assert line.detail("e7") == "once until 2026-03-01T14:11:00+00:00"


def test_a_timer_that_is_due_when_an_event_arrives_fires_first() -> None:
    """So that a wait's message is in the digest that ends a moment later, and an event at its end is not."""
    line = Timeline(
        make_rule("waits", wait=wait(minutes(15), per=("data.id",)), digest=digest(minutes(15))),
        make_rule("gathers", digest=digest(minutes(15))),
    )
    line.event(at(0), id=1)
    line.event(at(15), id=2)
    line.event(at(30), id=3)
    line.until(at(100))
    assert line.told == [
        "0:15:00 gathers > desk: e1",
        "0:30:00 gathers > desk: e2",
        "0:30:00 waits > desk: e1",
        "0:45:00 gathers > desk: e3",
        "0:45:00 waits > desk: e2",
        "1:00:00 waits > desk: e3",
    ]


def test_silence_and_suppression_are_asked_again_when_a_wait_ends_and_not_when_a_digest_does() -> None:
    line = Timeline(
        make_rule("other", "other"),
        make_rule("r", suppressed=suppressed_by("other", HOUR, "data.id"), wait=wait(minutes(10)), digest=digest(HOUR)),
        silences=[Silence(id="s", rule="r", since=at(12), until=at(13))],
    )  # fmt: skip
    line.event(at(0), id=1)  # told
    line.event(at(1), id=2)  # suppressed at 12:11
    line.event(at(2.5), id=3)  # silenced at 12:12:30
    line.event(at(5), "Other", id=2)
    line.event(at(11), "Other", id=1)
    line.until(at(500))
    assert [line.reason(f"e{place}", "r") for place in (1, 2, 3)] == ["digested", "suppressed", "silenced"]
    assert line.told[-1] == "1:10:00 r > desk: e1"


def test_no_invoice_for_two_hours_at_three_centres_over_a_change_of_the_clocks() -> None:
    week = opening_hours("mon-sun 09:00-18:00")
    line = Timeline(
        make_rule(
            absent=Absent(period=2 * HOUR, per=paths("center.id"), during=during()),
            hours=hours("09:00-12:00"),
        ),
        directory=directory_of(
            *(Center(id=name, hours=week) for name in ("la", "berlin", "kolkata")),
            local=clock_of(
                usual="UTC", la="America/Los_Angeles", berlin="Europe/Berlin", kolkata="Asia/Kolkata"
            ),
        ),
    )
    for center, clock in [
        ("berlin", "2026-03-28T16:30"),  # 17:30; missed at 10:30 on Sunday, when the clocks are an hour on
        ("kolkata", "2026-03-28T16:31"),  # 22:01; missed at 11:00
        ("la", "2026-03-28T20:00"),  # 13:00; missed at 15:00, told at 09:00
    ]:
        line.event(datetime.fromisoformat(clock).replace(tzinfo=UTC), center_id=center)
    line.until(datetime(2026, 4, 5, tzinfo=UTC))
    assert [(sent.due.isoformat()[:16], sent.events) for sent in line.kept.sent] == [
        ("2026-03-29T16:00", ("e3",)),
        ("2026-03-29T05:30", ("e2",)),
        ("2026-03-29T08:30", ("e1",)),
    ]


def test_other_rules_suffer_nothing_from_what_one_remembers() -> None:
    rules = [
        make_rule("plain"),
        make_rule("waits", wait=wait(minutes(10))),
        make_rule("gathers", digest=digest(minutes(10))),
        make_rule("once", once=make_once("data.id")),
    ]
    both = Timeline(*rules)
    each = [Timeline(rule) for rule in rules]
    for line in (both, *each):
        for minute in (0, 3, 9, 12, 70):
            line.event(at(minute), id=1)
        line.until(at(500))
    assert sorted(both.told) == sorted(text for line in each for text in line.told)


# --- properties ---------------------------------------------------------------------------------------------------


def _after(names: Names) -> datetime:
    return at(float(names["data"]["start"]))


_MINUTES = st.sampled_from([1, 5, 10, 15, 30])
_PERIODS = _MINUTES.map(minutes)
_PERS = st.sampled_from([(), ("data.id",)])
_STAGES: dict[str, st.SearchStrategy[Any]] = {
    "threshold": st.builds(lambda n, within, per: threshold(n, within, *per), st.integers(1, 3), _PERIODS, _PERS),
    "stale": st.builds(lambda age, then: Stale(age, "a while", then), _PERIODS, st.sampled_from(list(Then))),
    "hours": st.builds(
        lambda text, otherwise: hours(text, otherwise, *(("night",) if otherwise is Otherwise.ELSEWHERE else ())),
        st.sampled_from(["12:10-12:40", "12:30-12:05"]),
        st.sampled_from(list(Otherwise)),
    ),
    "wait": st.builds(
        lambda period, unless, per, after: wait(period, *unless, per=per, after=after),
        _PERIODS, st.sampled_from([(), ("Back",)]), _PERS, st.sampled_from([None, _after]),
    ),
    "once": st.builds(lambda period, per: make_once(*per, period=period), _PERIODS, _PERS),
    "digest": st.one_of(
        st.builds(lambda every, per, now: digest(every, *per, immediate=now), _PERIODS, _PERS, st.booleans()),
        st.builds(lambda per, now: digest(None, *per, at=750, immediate=now), _PERS, st.booleans()),
    ),
    "escalate": st.just((Step(minutes(10), ("boss",)), Step(minutes(20), ("owner",)))),
    "suppressed": st.builds(lambda within: suppressed_by("r0", within, "data.id"), _PERIODS),
}  # fmt: skip
_RULE = st.fixed_dictionaries({}, optional=_STAGES)
_ABSENT = st.builds(
    lambda period, per, stages: {"absent": Absent(period=period, per=paths(*per))} | stages,
    _PERIODS,
    _PERS,
    st.fixed_dictionaries(
        {}, optional={name: _STAGES[name] for name in ("hours", "once", "digest", "escalate", "suppressed")}
    ),
)
#: What comes: (arrival, how late, which, key, what it names).
_EVENTS = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.sampled_from([0, 0, 0, 2, 20]),
        st.sampled_from(["Come", "Come", "Back"]),
        st.sampled_from([1, 2, None]),
        st.integers(-10, 60),
    ),
    max_size=10,
)
#: How it goes: (minutes until it looks at the clock again, steps, those of them that are lost).
_PLANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6), st.integers(0, 4)), max_size=12)
Event = tuple[int, int, str, int | None, int]


def year(stages: Sequence[dict[str, Any]], events: Sequence[Event]) -> Timeline:
    """Return a timeline whose events have arrived and are not decided."""
    rules = [make_rule(f"r{place}", "come", **settings) for place, settings in enumerate(stages)]
    line = Timeline(*rules)
    for arrival, late, event_type, id_, begins in sorted(events, key=lambda one: one[0]):
        line.arrive(at(arrival), event_type, at=at(arrival - late), id=id_, start=begins)
    return line


@settings(deadline=None)
@given(st.lists(st.one_of(_RULE, _ABSENT), min_size=1, max_size=3), _EVENTS, _PLANS)
def test_no_order_of_crashes_and_naps_makes_a_window_fire_twice_never_or_early(
    stages: list[dict[str, Any]], events: list[Event], plan: list[tuple[int, int, int]]
) -> None:
    """The driver sees that nothing fires early and that nothing is owed twice."""
    calm = year(stages, events)
    calm.until(at(5000))
    rough = year(stages, events)
    clock = 0
    for nap, steps, lost in plan:
        clock += nap
        for _ in range(steps):
            rough.step(at(clock))
        rough.crash(lost)
    rough.until(at(5000))
    assert rough.kept == calm.kept
    assert [key for key, window in calm.kept.windows.items() if window.due is not None] == []


@settings(deadline=None)
@given(st.lists(_RULE, min_size=1, max_size=3), _EVENTS)
def test_every_event_has_one_reason_for_each_rule_and_what_it_led_to_bears_it_out(
    stages: list[dict[str, Any]], events: list[Event]
) -> None:
    line = year(stages, events)
    line.until(at(5000))
    heard = {event.id for event in line.events if event.type == "Come"}
    assert {key[0] for key in line.kept.became} == (heard if heard else set())
    for (event, rule), (reason, _) in line.kept.became.items():
        told = [
            sent for sent in line.kept.sent if sent.rule == rule and sent.step == 0 and event in sent.events
        ]
        assert len(told) == (1 if reason in {"notified", "digested"} else 0)
        assert reason != "waiting"


# --- a wait and a digest against an oracle ---------------------------------------------------------------------


def oracle(events: Sequence[Event], waits: int, every: int) -> list[tuple[int, tuple[str, ...]]]:
    """Minute by minute: what one rule with a wait for a key and a digest of all tells, and when."""
    told: list[tuple[int, tuple[str, ...]]] = []
    waiting: dict[int, tuple[int, int, str]] = {}  # by key: when its wait ends, its time, its name
    alone: list[tuple[int, str]] = []  # without a key
    backs: dict[int, int] = {}
    gathered: list[str] = []
    ends: int | None = None
    named = [(*one, f"e{place}") for place, one in enumerate(sorted(events, key=lambda one: one[0]), 1)]
    for minute in range(200):
        # What is due: first the digest, by the names of the stages, and then the waits by their keys.
        if ends == minute:
            told.append((minute, tuple(gathered)))
            gathered, ends = [], None
        over = [(f'[["{key}"]]', name) for key, (end, _, name) in waiting.items() if end == minute]
        over += [(f"event {int(name[1:]) - 1}", name) for end, name in alone if end == minute]
        waiting = {key: one for key, one in waiting.items() if one[0] != minute}
        for _, name in sorted(over):
            gathered.append(name)
            ends = minute + every if ends is None else ends
        for arrival, late, kind, key, _, name in named:
            moment = arrival - late
            if arrival != minute:
                continue
            if key is None:
                alone += [(minute + waits, name)] if kind == "Come" else []
            elif kind == "Back":
                backs[key] = max(moment, backs.get(key, moment))
                if key in waiting and waiting[key][1] <= moment:
                    del waiting[key]
            elif backs.get(key, moment) <= moment and (key not in waiting or waiting[key][1] <= moment):
                waiting[key] = (minute + waits, moment, name)
    return told


@settings(deadline=None)
@given(_EVENTS, _MINUTES, _MINUTES)
def test_a_wait_and_a_digest_do_what_a_simple_oracle_says(
    events: list[Event], waits: int, every: int
) -> None:
    line = year([{"wait": wait(minutes(waits), "Back"), "digest": digest(minutes(every))}], events)
    line.until(at(5000))
    assert [(sent.due, sent.events) for sent in line.kept.sent] == [
        (at(due), names) for due, names in oracle(events, waits, every)
    ]
