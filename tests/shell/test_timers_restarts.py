"""What restarts, reloads and troubles do to windows: nothing, or no more than harm their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes import START
from tests.timelines import (
    CLOSED,
    DAY,
    FROZEN,
    HOUR,
    LOW,
    MINUTE,
    SECOND,
    SUMMARY,
    Make,
    Timeline,
    a_rule,
    a_wait,
    an_absence,
    fired,
)
from zennotify.core.digest import Digest
from zennotify.core.during import Hours
from zennotify.core.hours import OpeningHours
from zennotify.core.rule import Rule
from zennotify.decider import batch, turn
from zennotify.errors import StoreUnavailable
from zennotify.store.transaction import Transaction

# --- restarts and reloads -------------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [0, 5, 10, 11])
@pytest.mark.parametrize("is_in_transaction", [False, True])
async def test_a_restart_changes_nothing_about_an_open_window(
    make: Make, minutes: int, is_in_transaction: bool
) -> None:
    world = make(FROZEN, SUMMARY)
    await world.post("Frozen", "a")
    await world.post("Cancelled", "b")
    if is_in_transaction:
        await world.crash(lambda: world.clock.advance(10 * MINUTE))
    await world.until(max(world.clock.now(), START + minutes * MINUTE))
    await world.restart()
    await world.pass_time(DAY)
    assert world.owed() == [fired("frozen", 10 * MINUTE, "a"), fired("summary", 15 * MINUTE, "b", counted=1)]


async def test_a_transaction_that_fails_is_done_again_one_by_one(make: Make) -> None:
    """The timer's own firing is not to blame, and neither is the event's decision."""
    world = make(FROZEN)
    await world.post("Frozen", "a")
    world.process.raises = ValueError("somebody else's fault")
    await world.pass_time(10 * MINUTE)
    assert world.owed() == [fired("frozen", 10 * MINUTE, "a")]
    world.process.raises = ValueError("once more")
    await world.accept_at_once(*(("Frozen", key, world.clock.now()) for key in ("b", "c", "d")))
    await world.pass_time(HOUR)
    assert [one.about for one in world.owed()] == ["a", "b", "c", "d"]
    assert not world.process.has_died.is_set()


async def test_while_the_store_is_unavailable_timers_try_again_every_second(make: Make) -> None:
    world = make(FROZEN)
    await world.post("Frozen")
    world.process.raises = StoreUnavailable("the disk is full")
    await world.clock.advance(10 * MINUTE)
    async with asyncio.timeout(10):
        while START + 10 * MINUTE + SECOND not in world.clock.alarms:
            await world.flush()
    assert world.owed() == []
    await world.pass_time(SECOND)
    assert world.owed() == [fired("frozen", 10 * MINUTE)]


async def test_what_a_failed_commit_lost_is_decided_before_what_came_after_it(make: Make) -> None:
    world = make(FROZEN)
    gate = await queue(world, "Frozen", "Unfrozen")
    world.process.raises = StoreUnavailable("the disk is full")
    gate.set()
    await world.pass_time(HOUR)
    assert (world.owed(), len(world.details())) == ([], 300)
    assert all(detail.startswith("Unfrozen came: event") for detail in world.details())


async def test_what_a_slow_transaction_has_left_is_decided_before_what_came_after_it(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make(FROZEN)
    gate = await queue(world, "Frozen", "Unfrozen")
    for module in (turn, batch):
        monkeypatch.setattr(module, "LONGEST_WORK", 0.002)
    lane = world.process.decider._events
    committed = lane.committed
    order: list[int] = []

    def note(items: list[Any], answers: Sequence[Any]) -> None:
        order.extend(one.undecided.place for made in answers[0].batches for one in made.decided)
        if committed is not None:
            committed(items, answers)

    lane.committed = note
    gate.set()
    await world.pass_time(HOUR)
    assert order == [*range(1, 601)]
    assert (world.owed(), len(world.details())) == ([], 300)


async def test_what_a_crash_left_is_decided_in_order_though_the_timers_before_it_take_long(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make(FROZEN)
    for number in range(450):
        await world.accept("Frozen", f"{number}")
    await world.settle()
    world.skip(DAY)
    world.process.decider._is_behind = True  # so that what is kept is not decided yet
    for kind in ("Frozen", *["Other"] * 5, "Unfrozen"):
        world.skip(SECOND)
        await world.accept(kind, "x")
    monkeypatch.setattr(turn, "LONGEST_WORK", 0.0)  # each hundred timers take long
    await world.restart()
    await world.settle()
    assert world.details()[-1].startswith("Unfrozen came: event")
    assert {one.about for one in world.owed()} == {f"{number}" for number in range(450)}


async def queue(world: Timeline, *kinds: str) -> threading.Event:
    """Keep 300 events of each of these types and put all into the decider's queue; what is returned lets it work."""
    await world.settle()
    process = world.process
    process.decider._is_behind = True  # so that what is kept is not decided yet
    for kind in kinds:
        world.skip(SECOND)
        for number in range(300):
            await world.accept(kind, f"{number}")
    kept = await process.store.writer.call(Transaction.undecided, 300 * len(kinds))
    gate, is_blocked = threading.Event(), threading.Event()

    def block(_transaction: Transaction) -> None:
        is_blocked.set()
        gate.wait(10)

    process.store.writer._calls.put((block, (), {}))
    await asyncio.to_thread(is_blocked.wait, 10)
    process.decider._is_behind = False
    for one in kept:
        process.decider.hand_on(process.decider._reopen(one))
    return gate


@pytest.mark.parametrize(
    "edited",
    [
        [FROZEN, a_rule("another", "Other")],
        [replace(FROZEN, wait=a_wait(HOUR, "Unfrozen"))],
        [replace(FROZEN, wait=None)],
        [a_rule("another", "Other")],
    ],
    ids=["another rule", "its period", "its wait is gone", "it is removed"],
)
async def test_a_reload_changes_nothing_about_an_open_window(make: Make, edited: list[Rule]) -> None:
    world = make(FROZEN)
    await world.post("Frozen")
    await world.pass_time(MINUTE)
    world.reload(*edited)
    await world.pass_time(MINUTE)
    await world.restart()
    await world.pass_time(HOUR)
    assert world.owed() == [fired("frozen", 10 * MINUTE)]
    assert world.decisions() == [("frozen", "notified")]


async def test_another_period_of_a_digest_holds_from_the_next_window_on(make: Make) -> None:
    world = make(SUMMARY)
    await world.post("Cancelled", "a")
    world.reload(replace(SUMMARY, digest=Digest(every=HOUR)))
    await world.post("Cancelled", "b")
    await world.pass_time(20 * MINUTE)
    await world.post("Cancelled", "c")
    await world.pass_time(DAY)
    assert world.owed() == [
        fired("summary", 15 * MINUTE, "a b", counted=2),
        fired("summary", 80 * MINUTE, "c", counted=1),
    ]


async def test_what_a_removed_rule_led_to_is_written_by_the_rules_of_that_time(make: Make) -> None:
    world = make(FROZEN)
    await world.post("Frozen")
    world.reload(SUMMARY)
    await world.pass_time(HOUR)
    assert [row.rule_set for row in world.rows("SELECT rule_set FROM deliveries")] == ["set 1"]


async def test_a_window_whose_rule_nobody_knows_any_more_is_given_up_and_told(make: Make) -> None:
    world = make(FROZEN, replace(SUMMARY, digest=Digest(every=10 * MINUTE)))
    await world.post("Frozen")
    await world.post("Cancelled")
    world.reload(a_rule("another", "Other"))
    del world.sets["set 1"]
    await world.pass_time(HOUR)
    assert (world.owed(), world.timers()) == ([], [])
    assert world.decisions() == [("frozen", "failed"), ("summary", "failed")]
    assert "the rule was removed" in world.details()[0]
    assert sum("the rule was removed" in text for text in world.troubles()) == 2


async def test_a_rule_that_awaits_nothing_any_more_sends_its_new_message_for_nothing_that_is_absent(
    make: Make,
) -> None:
    world = make(CLOSED)
    await world.post("Closed")
    world.reload(a_rule("closed", "Other"))
    await world.pass_time(DAY)
    assert (world.owed(), world.timers()) == ([], [])
    assert list(zip(world.decisions(), world.details(), strict=True)) == [
        (("closed", "disabled"), "it awaits nothing any more")
    ]


async def test_a_renamed_rule_takes_its_windows_with_it(make: Make) -> None:
    world = make(FROZEN, SUMMARY)
    await world.post("Frozen", "a")
    await world.post("Cancelled", "b")
    world.reload(
        replace(FROZEN, id="iced", renamed_from="frozen"), replace(SUMMARY, id="sum", renamed_from="summary")
    )
    await world.pass_time(SECOND)
    await world.post("Frozen", "c")
    await world.post("Unfrozen", "a")
    await world.post("Cancelled", "d")
    await world.pass_time(HOUR)
    assert world.owed() == [
        fired("iced", 10 * MINUTE + SECOND, "c"),
        fired("sum", 15 * MINUTE, "b d", counted=2),
    ]
    assert world.decisions() == [
        ("iced", "withdrawn"),
        ("sum", "digested"),
        ("iced", "notified"),
        ("sum", "digested"),
    ]


async def test_a_rule_that_takes_over_another_one_loses_none_of_its_messages(make: Make) -> None:
    other = replace(FROZEN, id="other", events=("other",))
    world = make(FROZEN, other)
    await world.post("Frozen")
    await world.post("Other")
    world.reload(replace(FROZEN, renamed_from="other"))
    await world.pass_time(HOUR)
    assert world.owed() == [fired("frozen", 10 * MINUTE), fired("other", 10 * MINUTE)]


async def test_a_disabled_rule_sends_nothing_that_waited(make: Make) -> None:
    world = make(FROZEN, SUMMARY, CLOSED, LOW)
    for kind in ("Frozen", "Cancelled", "Closed", "Low"):
        await world.post(kind)
    world.reload(*(replace(rule, enabled=False) for rule in (FROZEN, SUMMARY, CLOSED, LOW)))
    await world.pass_time(DAY)
    assert [(one.rule, one.step) for one in world.owed()] == [("low", 0)]
    assert world.decisions() == [
        ("frozen", "disabled"),
        ("summary", "disabled"),
        ("closed", "disabled"),
        ("low", "notified"),
    ]
    assert world.timers() == []


# --- what goes wrong ------------------------------------------------------------------------------------------


class Broken:
    """Hours that nobody can ask."""

    text = "broken"

    def at(self, _center: OpeningHours | None) -> OpeningHours:
        raise LookupError("a bug of ours")


async def test_a_timer_whose_firing_raises_is_given_up_and_the_others_go_on(make: Make) -> None:
    broken: Any = Hours(during=Broken())  # type: ignore[arg-type]
    rules = [
        replace(FROZEN, hours=broken),
        replace(SUMMARY, hours=broken, digest=Digest(every=10 * MINUTE)),
        replace(FROZEN, id="good"),
        replace(CLOSED, absent=an_absence(10 * MINUTE), hours=broken),
    ]
    world = make(*rules)
    for kind in ("Frozen", "Cancelled", "Closed"):
        await world.post(kind)
    await world.pass_time(HOUR)
    assert world.owed() == [fired("good", 10 * MINUTE)]
    assert world.decisions() == [
        ("frozen", "failed"),
        ("good", "notified"),
        ("summary", "failed"),
        ("closed", "failed"),
    ]
    assert sum("LookupError in test_timers_restarts.py" in text for text in world.troubles()) == 3
    assert world.timers() == []
    assert not world.process.has_died.is_set()


@pytest.mark.parametrize("event_comes", [False, True], ids=["alone", "before an event"])
async def test_a_timer_that_cannot_be_kept_is_given_up_and_the_others_go_on(
    make: Make, event_comes: bool
) -> None:
    world = make(FROZEN, SUMMARY)
    for number in range(9):
        await world.post("Frozen", f"{number}")
    await world.process.store.writer.call(refuse, 6)
    await world.restart()
    if event_comes:
        world.skip(DAY)
        await world.post("Cancelled")
    else:
        await world.pass_time(DAY)
    reasons = ["failed" if place == 6 else "notified" for place in range(1, 10)]
    assert [reason for rule, reason in world.decisions() if rule == "frozen"] == reasons
    about = [one.about for one in world.owed() if one.rule == "frozen"]
    assert about == [str(number) for number in range(9) if number != 5]
    assert [timer[0] for timer in world.timers()] == ["summary"] * event_comes
    assert sum("IntegrityError in" in text for text in world.troubles()) == 1
    assert not world.process.has_died.is_set()


def refuse(transaction: Transaction, place: int) -> None:
    """Let the store refuse each delivery of an event, as PostgreSQL refuses a text with a NUL."""
    transaction._connection.exec_driver_sql(
        f"CREATE TRIGGER refuse BEFORE INSERT ON deliveries WHEN NEW.event = {place} "
        "BEGIN SELECT RAISE(ABORT, 'not this one'); END"
    )


async def test_an_event_that_cannot_be_read_any_more_harms_only_its_own_window(make: Make) -> None:
    world = make(FROZEN)
    await world.post("Frozen", "a")
    await world.post("Frozen", "b")
    await world.process.store.writer.call(spoil, 1)
    await world.pass_time(HOUR)
    assert [tuple(row) for row in world.rows("SELECT event FROM deliveries WHERE rule = 'frozen'")] == [(2,)]
    assert world.decisions() == [("frozen", "failed"), ("frozen", "notified")]
    assert len(world.troubles()) == 1


def spoil(transaction: Transaction, place: int) -> None:
    transaction._connection.exec_driver_sql(f"UPDATE events SET body = x'00' WHERE seq = {place}")


async def test_a_window_of_an_erased_event_ends_silently(make: Make) -> None:
    world = make(FROZEN, CLOSED, SUMMARY, LOW)
    ids = [await world.post(kind) for kind in ("Frozen", "Closed", "Low", "Cancelled", "Cancelled")]
    await world.process.store.writer.call(Transaction.erase_events, ids[:4], alone=False)
    await world.pass_time(DAY)
    assert world.owed() == [fired("summary", 15 * MINUTE, "k", counted=1)]
    assert (world.timers(), world.troubles()) == ([], [])


async def test_a_digest_that_has_lost_its_last_event_tells_the_others(make: Make) -> None:
    world = make(SUMMARY)
    await world.post("Cancelled", "a")
    last = await world.post("Cancelled", "b")
    await world.process.store.writer.call(Transaction.erase_events, [last], alone=False)
    await world.pass_time(HOUR)
    assert world.owed() == [fired("summary", 15 * MINUTE, "a", counted=1)]


async def test_digests_go_on_when_all_that_one_had_gathered_is_erased(make: Make) -> None:
    world = make(SUMMARY)
    first = await world.post("Cancelled", "a")
    await world.pass_time(HOUR)
    await world.process.store.writer.call(Transaction.erase_events, [first], alone=False)
    await world.post("Cancelled", "b")
    await world.pass_time(HOUR)
    assert [one.about for one in world.owed()] == ["b"]
    lost = await world.post("Cancelled", "c")
    await world.process.store.writer.call(Transaction.erase_events, [lost], alone=False)
    await world.post("Cancelled", "d")
    await world.pass_time(HOUR)
    assert [one.about for one in world.owed()] == ["b", "d"]
    assert not world.process.has_died.is_set()
