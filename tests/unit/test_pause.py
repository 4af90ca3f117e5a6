"""When a channel is left alone, for how long, and what ends it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.fakes import START
from zennotify.core.model import Outcome, Result
from zennotify.core.pause import Cause, Health, Pause, hastened, heed, is_over, is_worth_telling, resumed

SECOND = timedelta(seconds=1)
SENT = Result(outcome=Outcome.SENT)
BUSY = Result(outcome=Outcome.TEMPORARY, detail="HTTP 503")
TOO_MANY = Result(outcome=Outcome.TEMPORARY, detail="HTTP 429", of_channel=True)
WRONG_TOKEN = Result(outcome=Outcome.BLOCKED, detail="HTTP 401")
REFUSED = Result(outcome=Outcome.PERMANENT, detail="HTTP 400")
UNKNOWN = Result(outcome=Outcome.UNKNOWN, detail="no answer")


def after(*results: Result, health: Health | None = None, threads: int = 4, guests: bool = False) -> Health:
    health = health or Health()
    for result in results:
        health = heed(
            health,
            result,
            START,
            fraction=1.0,
            threads=threads,
            is_probe=False,
            refusals_count=not guests,
        )
    return health


def probed(health: Health, result: Result) -> Health:
    """Send the probe as soon as the pause is over."""
    assert health.pause is not None
    return heed(health, result, health.pause.until, fraction=1.0, threads=4, is_probe=True)


def lengths(health: Health, result: Result, count: int) -> list[timedelta]:
    """How long each pause is while every probe fails."""
    found: list[timedelta] = []
    began = START
    for _ in range(count):
        assert health.pause is not None
        found.append(health.pause.until - began)
        began = health.pause.until
        health = probed(health, result)
    return found


def pause_of(health: Health) -> Pause:
    assert health.pause is not None
    return health.pause


@pytest.mark.parametrize(
    ("results", "threads", "cause"),
    [
        ((BUSY,) * 3, 4, None),
        ((BUSY,) * 4, 4, Cause.FAILING),
        ((BUSY,), 1, Cause.FAILING),
        ((BUSY, BUSY, SENT, BUSY, BUSY, BUSY), 4, None),
        ((BUSY, UNKNOWN, BUSY, UNKNOWN), 4, Cause.FAILING),
        ((BUSY, BUSY, BUSY, REFUSED, BUSY), 4, None),
        ((TOO_MANY,), 4, Cause.LIMITED),
        ((Result(outcome=Outcome.TEMPORARY, retry_after=SECOND),), 4, Cause.LIMITED),
        ((WRONG_TOKEN,), 4, Cause.BLOCKED),
        ((REFUSED,) * 3, 4, None),
        ((REFUSED,) * 4, 4, Cause.BLOCKED),
        ((REFUSED,) * 2, 1, None),
        ((REFUSED,) * 3, 1, Cause.BLOCKED),
        ((REFUSED, REFUSED, SENT, REFUSED, REFUSED), 1, None),
    ],
)
def test_what_pauses_a_channel(results: tuple[Result, ...], threads: int, cause: Cause | None) -> None:
    pause = after(*results, threads=threads).pause
    assert (pause and pause.cause) == cause


def test_refusals_of_guests_addresses_say_nothing_of_the_channel() -> None:
    assert after(*(REFUSED,) * 50, guests=True).pause is None


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (TOO_MANY, [5, 15, 30, 60, 300, 300]),
        (WRONG_TOKEN, [60, 300, 900, 3600, 3600, 3600]),
    ],
)
def test_a_pause_grows_with_each_probe_that_fails(result: Result, expected: list[int]) -> None:
    assert lengths(after(result), result, 6) == [seconds * SECOND for seconds in expected]


def test_a_channel_that_fails_is_tried_every_minute_at_least() -> None:
    seconds = [5, 15, 30, 60, 60, 60]
    assert lengths(after(*(BUSY,) * 4), BUSY, 6) == [number * SECOND for number in seconds]


@pytest.mark.parametrize(("wish", "seconds"), [(0.1, 5), (4, 5), (90, 90), (3600, 3600), (10**8, 3600)])
def test_a_providers_wish_is_honoured_within_an_hour(wish: float, seconds: int) -> None:
    pause = pause_of(after(Result(outcome=Outcome.TEMPORARY, retry_after=wish * SECOND, of_channel=True)))
    assert pause.until == START + seconds * SECOND


def test_jitter_takes_half_of_the_pause_at_most() -> None:
    health = heed(Health(), WRONG_TOKEN, START, fraction=0.0, threads=4, is_probe=False)
    assert pause_of(health).until == START + 30 * SECOND


@pytest.mark.parametrize("begin", [(TOO_MANY,), (WRONG_TOKEN,), (BUSY,) * 4], ids=["429", "401", "503"])
def test_a_probe_that_arrives_ends_the_pause(begin: tuple[Result, ...]) -> None:
    assert probed(after(*begin), SENT) == Health()


def test_a_probe_that_is_refused_shows_that_the_channel_works() -> None:
    assert probed(after(*(BUSY,) * 4), REFUSED) == Health(refusals=1)


def test_a_probe_that_fails_otherwise_tells_of_it() -> None:
    pause = pause_of(probed(after(*(BUSY,) * 4), WRONG_TOKEN))
    assert (pause.cause, pause.since, pause.probes, pause.detail) == (Cause.BLOCKED, START, 1, "HTTP 401")


@pytest.mark.parametrize("late", [SENT, BUSY, UNKNOWN, REFUSED])
def test_what_was_under_way_when_the_pause_began_changes_nothing(late: Result) -> None:
    paused = after(WRONG_TOKEN)
    assert after(late, health=paused).pause == paused.pause


def test_a_longer_wish_of_another_message_counts() -> None:
    longer = Result(outcome=Outcome.TEMPORARY, retry_after=600 * SECOND, of_channel=True)
    assert pause_of(after(TOO_MANY, longer)).until == START + 600 * SECOND
    assert pause_of(after(longer, TOO_MANY)).until == START + 600 * SECOND


def test_a_wrong_token_counts_even_while_the_channel_is_asked_to_wait() -> None:
    pause = pause_of(after(TOO_MANY, WRONG_TOKEN))
    assert (pause.cause, pause.detail, pause.until) == (Cause.BLOCKED, "HTTP 401", START + 60 * SECOND)


@pytest.mark.parametrize(
    ("cause", "minutes", "told"),
    [
        (Cause.BLOCKED, 0, True),
        (Cause.FAILING, 4, False),
        (Cause.FAILING, 5, True),
        (Cause.LIMITED, 14, False),
        (Cause.LIMITED, 15, True),
    ],
)
def test_who_has_to_hear_of_a_pause_does(cause: Cause, minutes: int, told: bool) -> None:
    pause = Pause(cause=cause, since=START, until=START + timedelta(hours=1))
    assert is_worth_telling(pause, START + timedelta(minutes=minutes)) is told


@pytest.mark.parametrize(("cause", "until"), [(Cause.BLOCKED, 0), (Cause.FAILING, 0), (Cause.LIMITED, 3600)])
def test_after_a_restart_only_a_providers_wish_holds(cause: Cause, until: int) -> None:
    pause = Pause(cause=cause, since=START - 60 * SECOND, until=START + 3600 * SECOND, probes=3)
    again = resumed(pause, START)
    assert (again.until, again.probes, again.since) == (START + until * SECOND, 3, pause.since)


def test_a_pause_that_is_over_stays_over_after_a_restart() -> None:
    early: datetime = START - 60 * SECOND
    pause = Pause(cause=Cause.FAILING, since=early, until=early)
    assert resumed(pause, START).until == early


def test_who_tries_by_hand_makes_no_pause_longer_and_may_end_it() -> None:
    paused = after(WRONG_TOKEN)
    tried = heed(paused, WRONG_TOKEN, START, fraction=1.0, threads=4, is_probe=True, is_by_hand=True)
    assert pause_of(tried) == pause_of(paused)
    assert heed(paused, SENT, START, fraction=1.0, threads=4, is_probe=True, is_by_hand=True) == Health()
    begun = heed(Health(), WRONG_TOKEN, START, fraction=1.0, threads=4, is_probe=True, is_by_hand=True)
    assert pause_of(begun).until == START + 60 * SECOND


def test_a_probe_that_somebody_asked_for_makes_the_next_pause_no_longer() -> None:
    second = probed(after(WRONG_TOKEN), WRONG_TOKEN)
    assert pause_of(second).until == START + 6 * 60 * SECOND
    asked = replace(second, pause=hastened(pause_of(second), START + 120 * SECOND))
    failed = heed(asked, WRONG_TOKEN, START + 120 * SECOND, fraction=1.0, threads=4, is_probe=True)
    assert pause_of(failed).until == START + 120 * SECOND + 300 * SECOND


def test_a_pause_knows_whether_messages_were_refused() -> None:
    assert pause_of(after(*(REFUSED,) * 4)).has_refused
    assert not pause_of(after(WRONG_TOKEN)).has_refused


@pytest.mark.parametrize(
    ("ahead", "over"), [(-1, True), (0, True), (1, False), (3600, False), (3601, True), (8 * 3600, True)]
)
def test_a_pause_that_lies_too_far_ahead_was_made_by_a_clock_that_was_wrong(ahead: int, over: bool) -> None:
    pause = Pause(cause=Cause.FAILING, since=START, until=START + ahead * SECOND)
    assert is_over(pause, START) is over
