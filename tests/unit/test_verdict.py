"""What becomes of a delivery, for each outcome and each setting of its channel."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.fakes import START
from zennotify.core.model import DeliveryState, Outcome, Result
from zennotify.core.verdict import Fallback, OnUnknown, Policy, Standing, Verdict, verdict

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
RETRY = (0 * SECOND, 5 * SECOND, 30 * SECOND, 30 * MINUTE)
PENDING, DEAD = DeliveryState.PENDING, DeliveryState.DEAD
DELIVERED, CANCELLED = DeliveryState.DELIVERED, DeliveryState.CANCELLED


def made(
    outcome: Outcome,
    *,
    tries: int = 0,
    on_unknown: OnUnknown = OnUnknown.RESEND,
    fallback: Fallback | None = None,
    since: timedelta = timedelta(0),
    is_unsure: bool = False,
    of_channel: bool = False,
    retry_after: timedelta | None = None,
) -> Verdict:
    """The verdict at START of a delivery that was due one second, and first due `since` ago."""
    policy = Policy(retry=RETRY, on_unknown=on_unknown, fallback=fallback)
    standing = Standing(tries, START - SECOND, START - since, is_unsure)
    result = Result(outcome=outcome, of_channel=of_channel, retry_after=retry_after)
    return verdict(policy, standing, result, START, 1.0)


def test_sent_is_delivered() -> None:
    assert made(Outcome.SENT, tries=2)[:6] == (DELIVERED, "", START, 3, False, False)


def test_temporary_is_due_again_after_the_next_wait() -> None:
    assert made(Outcome.TEMPORARY)[:6] == (PENDING, "", START + 5 * SECOND, 1, False, False)
    assert made(Outcome.TEMPORARY, tries=1).due == START + 30 * SECOND


def test_the_last_try_is_the_last() -> None:
    assert made(Outcome.TEMPORARY, tries=3)[:6] == (DEAD, "exhausted", START, 4, False, False)


def test_permanent_is_dead_at_once() -> None:
    assert made(Outcome.PERMANENT)[:6] == (DEAD, "refused", START, 1, False, False)


@pytest.mark.parametrize("tries", [0, 3, 10])
def test_what_stops_the_whole_channel_uses_up_no_try(tries: int) -> None:
    assert made(Outcome.TEMPORARY, tries=tries, of_channel=True)[:6] == (
        PENDING, "", START - SECOND, tries, False, False
    )  # fmt: skip


@pytest.mark.parametrize("tries", [0, 3])
def test_a_probe_that_is_blocked_uses_up_no_try_and_lets_another_message_try_next(tries: int) -> None:
    policy, standing = Policy(retry=RETRY), Standing(tries, START - SECOND, START)
    found = verdict(
        policy, standing, Result(outcome=Outcome.BLOCKED), START, 1.0, paused_until=START + MINUTE
    )
    assert found[:6] == (PENDING, "blocked", START + MINUTE, tries, False, False)


def test_a_message_that_stops_a_channel_which_works_does_so_a_few_times_only() -> None:
    states = []
    for tries in range(5):
        standing = Standing(tries, START, START)
        once = Policy(retry=RETRY[:1])
        found = verdict(once, standing, Result(outcome=Outcome.BLOCKED), START, 1.0, is_probe=False)
        states.append((found.state, found.tries))
    assert states == [(PENDING, 1), (PENDING, 2), (PENDING, 3), (PENDING, 4), (DEAD, 5)]


def test_a_wish_to_wait_is_honoured() -> None:
    assert made(Outcome.TEMPORARY, retry_after=90 * SECOND).due == START + 90 * SECOND


@pytest.mark.parametrize(
    ("on_unknown", "state", "reason", "due"),
    [
        (OnUnknown.RESEND, PENDING, "", START + 5 * SECOND),
        (OnUnknown.HOLD, DEAD, "maybe_sent", START),
        (OnUnknown.ASSUME_SENT, DELIVERED, "assumed_sent", START),
    ],
)
def test_unknown_is_what_the_channel_says(
    on_unknown: OnUnknown, state: DeliveryState, reason: str, due: object
) -> None:
    assert made(Outcome.UNKNOWN, on_unknown=on_unknown)[:6] == (state, reason, due, 1, True, False)


def test_what_may_have_arrived_once_stays_so() -> None:
    assert made(Outcome.TEMPORARY, is_unsure=True).is_unsure
    assert made(Outcome.BLOCKED, is_unsure=True).is_unsure
    assert made(Outcome.UNKNOWN, tries=3).is_unsure


# --- with a fallback


MAIL = Fallback("mail", 15 * MINUTE)


@pytest.mark.parametrize(
    ("outcome", "how", "reason"),
    [
        (Outcome.PERMANENT, {}, "refused"),
        (Outcome.TEMPORARY, {"tries": 3}, "exhausted"),
        (Outcome.UNKNOWN, {"on_unknown": OnUnknown.HOLD}, "maybe_sent"),
    ],
)
def test_what_is_dead_falls_back_at_once(outcome: Outcome, how: dict[str, object], reason: str) -> None:
    found = made(outcome, fallback=MAIL, **how)  # type: ignore[arg-type] # a table of different settings
    assert (found.state, found.reason, found.falls_back) == (DEAD, reason, True)


def test_what_is_delivered_or_assumed_so_does_not_fall_back() -> None:
    long_ago = timedelta(days=1)
    assert not made(Outcome.SENT, fallback=MAIL, since=long_ago).falls_back
    assumed = made(Outcome.UNKNOWN, fallback=MAIL, since=long_ago, on_unknown=OnUnknown.ASSUME_SENT)
    assert not assumed.falls_back


@pytest.mark.parametrize("outcome", [Outcome.TEMPORARY, Outcome.BLOCKED, Outcome.UNKNOWN])
def test_what_is_late_falls_back(outcome: Outcome) -> None:
    assert not made(outcome, fallback=MAIL, since=14 * MINUTE).falls_back
    late = made(outcome, fallback=MAIL, since=15 * MINUTE)
    assert (late.state, late.reason, late.falls_back) == (CANCELLED, "fallback", True)


def test_the_last_try_before_the_fallback_is_when_it_would_be_late() -> None:
    assert made(Outcome.TEMPORARY, tries=2, fallback=MAIL, since=MINUTE).due == START + 14 * MINUTE
    assert made(Outcome.TEMPORARY, tries=0, fallback=MAIL, since=MINUTE).due == START + 5 * SECOND


def test_what_belongs_to_no_event_does_not_fall_back() -> None:
    standing = Standing(0, START, START - HOUR, may_fall_back=False)
    policy = Policy(retry=RETRY, fallback=MAIL)
    found = verdict(policy, standing, Result(outcome=Outcome.TEMPORARY), START, 1.0)
    assert found[:6] == (PENDING, "", START + 5 * SECOND, 1, False, False)


def test_a_number_of_tries_is_enough() -> None:
    twice = Fallback("mail", 15 * MINUTE, tries=2)
    assert not made(Outcome.TEMPORARY, tries=0, fallback=twice).falls_back
    assert made(Outcome.TEMPORARY, tries=1, fallback=twice).falls_back
    assert not made(Outcome.BLOCKED, tries=1, fallback=twice).falls_back
