"""What `events show`, `deliveries show` and `windows` say of messages that wait, are gathered, or are escalated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import insert

from tests.fakes import START, FakeClock, make_once
from tests.store.test_conformance import begin, claim, settle
from tests.turning import Decided
from zennotify.cli import main
from zennotify.cli.inforce import InForce
from zennotify.cli.project import load_project
from zennotify.configured import surroundings
from zennotify.core.absent import Absent
from zennotify.core.digest import Digest
from zennotify.core.during import During, Hours
from zennotify.core.escalation import TAKEN, Step
from zennotify.core.hours import OpeningHours, read_ranges
from zennotify.core.model import DeliveryState, Reason
from zennotify.core.path import parse_path
from zennotify.core.rule import Rule
from zennotify.core.silence import Silence
from zennotify.core.suppression import SuppressedBy
from zennotify.core.threshold import Threshold
from zennotify.core.wait import Opposite, Wait
from zennotify.rulefile import Sources
from zennotify.store import Store
from zennotify.store.number import delivery_number
from zennotify.store.rows import NewDelivery
from zennotify.store.schema import acknowledgements, to_micros
from zennotify.store.transaction import Transaction
from zennotify.store.views import WindowView

#: START is a Sunday, 13:00 here.
CONFIG = """
time_zone: Europe/Berlin
channels:
  desk: {url: "console://desk", fallback: {channel: mail, after: 15m}}
  mail: {url: "console://mail"}
  regional: {url: "console://regional"}
"""
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
PER_GUEST = (parse_path("data.guest_id"),)
FREEZE = Wait(
    text="10m",
    period=10 * MINUTE,
    unless=(Opposite(events=("guest.membership.unfreeze",)),),
    per=PER_GUEST,
)
FROZEN = Rule(id="frozen", events=("guest.membership.freeze",), notify=("desk", "mail"), wait=FREEZE)
#: By UTC, the clock of rules that know no centre: at 18:00 here.
DAILY = Digest(at=17 * 60)
CANCELLED = Rule(id="cancelled", events=("class.booking.cancelled",), notify=("desk",), digest=DAILY)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG)
    made = Store.open(f"sqlite:///{tmp_path / 'zennotify.db'}")
    yield made
    made.close()


class Shown:
    """What the commands say, by a clock that the test sets and the rules that it decides by."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
        self._patch = monkeypatch
        self._store = store
        self.rules: tuple[Rule, ...] = ()
        self.look(timedelta())

    def decide_by(self, *rules: Rule, silences: tuple[Silence, ...] = ()) -> Decided:
        by_id = {rule.id: rule for rule in rules}

        def rule_of(_in_force: InForce, window: WindowView) -> Rule | None:
            return by_id.get(window.key.rule)

        self._patch.setattr(InForce, "rule_of", rule_of)
        return Decided(self._store, *rules, silences=silences)

    def look(self, after: timedelta) -> None:
        """Set the clock of whoever looks, so long after START."""
        self._patch.setattr("zennotify.cli.fate.SystemClock", lambda: FakeClock(START + after))

    def event(self, event: str) -> list[str]:
        """The lines between an event's own and its body."""
        lines = run("events", "show", event[:8])
        return lines[1 : lines.index("{")]

    def delivery(self, delivery: str) -> list[str]:
        return run("deliveries", "show", delivery)[1:]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, store: Store) -> Shown:
    return Shown(monkeypatch, store)


def run(*arguments: str) -> list[str]:
    done = CliRunner().invoke(main, [*arguments, "--config", "config.yaml"])
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def run_json(*arguments: str) -> list[dict[str, Any]]:
    return list(json.loads("\n".join(run(*arguments, "--json"))))


# --- wait -----------------------------------------------------------------------------------------------------


def test_what_waits_says_until_when_for_what_and_where_it_goes_then(shown: Shown) -> None:
    event = shown.decide_by(FROZEN).come("Guest.Membership.Freeze", {"guest_id": "g"})
    assert shown.event(event) == [
        "  frozen: waiting",
        "    waits until 13:10 for its opposite (Guest.Membership.Unfreeze); then it goes to desk and mail",
    ]
    shown.look(timedelta(days=1))
    assert shown.event(event)[1].endswith("then it goes to desk and mail (overdue: is the daemon running?)")
    assert shown.event(event)[1].startswith("    waits until Sun 13:10 for")


def test_what_waits_names_what_else_becomes_of_it(shown: Shown) -> None:
    plain = replace(FROZEN, wait=Wait(text="10m", period=10 * MINUTE), digest=DAILY)
    off = replace(plain, id="off", events=("employee.*",))
    decided = shown.decide_by(plain, off)
    event = decided.come("Guest.Membership.Freeze")
    assert shown.event(event)[1] == "    waits until 13:10; then it goes into a digest"
    other = decided.come("Employee.Created")
    shown.decide_by(replace(off, enabled=False))
    assert shown.event(other)[1] == (
        "    waits until 13:10; then it goes into a digest (nothing will go out: the rule is disabled)"
    )
    # Of a rule that nobody knows any more.
    assert shown.event(event)[1] == "    waits until 13:10; then it goes out"


def test_without_a_key_each_event_waits_for_itself(shown: Shown, store: Store) -> None:
    decided = shown.decide_by(replace(FROZEN, notify=("mail",), wait=Wait(text="10m", period=10 * MINUTE)))
    events = [decided.come("Guest.Membership.Freeze", after=number * MINUTE) for number in range(2)]
    assert [shown.event(event)[1] for event in events] == [
        "    waits until 13:10; then it goes to mail",
        "    waits until 13:11; then it goes to mail",
    ]
    decided.fire(11 * MINUTE)
    assert [one.event for one in store.reader.deliveries()] == events[::-1]


def test_what_was_withdrawn_says_by_which_event(shown: Shown) -> None:
    decided = shown.decide_by(FROZEN)
    first = decided.come("Guest.Membership.Freeze", {"guest_id": "g"})
    second = decided.come("Guest.Membership.Freeze", {"guest_id": "g"}, after=MINUTE)
    opposite = decided.come("Guest.Membership.Unfreeze", {"guest_id": "g"}, after=2 * MINUTE)
    late = decided.come("Guest.Membership.Freeze", {"guest_id": "g"}, after=3 * MINUTE, at=START)
    assert shown.event(first) == [f"  frozen: withdrawn (event {second[:8]} came in its place)"]
    assert shown.event(second) == [
        f"  frozen: withdrawn (Guest.Membership.Unfreeze came: event {opposite[:8]})"
    ]
    [line] = shown.event(late)
    assert line.startswith("  frozen: withdrawn (its opposite came before it")
    assert line.endswith(" 13:02)")
    [in_json] = run_json("events", "show", late)
    assert in_json["decisions"][0]["detail"].endswith(" 2026-03-01T12:02:00+00:00")


def test_a_delivery_says_when_it_was_meant_to_go_out(shown: Shown, store: Store) -> None:
    decided = shown.decide_by(replace(FROZEN, notify=("desk",)))
    event = decided.come("Guest.Membership.Freeze", {"guest_id": "g"})
    decided.fire(11 * MINUTE)
    [delivery] = store.reader.deliveries()
    assert shown.delivery(delivery.id) == [
        f"  event {event}",
        "  meant for 13:10",
        "  goes to mail at 2026-03-01 13:25:00, if it is not sent before",
    ]
    [in_json] = run_json("deliveries", "show", delivery.id)
    assert (in_json["meant"], in_json["step"], in_json["events"]) == ("2026-03-01T12:10:00Z", 0, [])
    assert in_json["acknowledged"] is None
    assert run_json("events", "show", event)[0]["decisions"][0]["window"] is None


# --- digest ---------------------------------------------------------------------------------------------------


def gather(decided: Decided, count: int = 3) -> list[str]:
    return [
        decided.come("Class.Booking.Cancelled", after=number * HOUR, center=f"c{number}")
        for number in range(count)
    ]


def test_what_is_gathered_says_when_the_digest_goes_out_and_how_many_others_are_in_it(shown: Shown) -> None:
    decided = shown.decide_by(CANCELLED)
    [first] = gather(decided, 1)
    assert shown.event(first) == [
        "  cancelled: digested",
        "    in the digest that goes out 18:00, with no others so far",
    ]
    second = decided.come("Class.Booking.Cancelled", after=MINUTE)
    assert shown.event(first) == shown.event(second)
    assert shown.event(first)[1] == (
        "    in the digest that goes out 18:00, with 1 other (oldest 13:00, newest 13:01)"
    )


def test_what_has_gone_into_a_digest_shows_that_digest(shown: Shown, store: Store) -> None:
    decided = shown.decide_by(CANCELLED)
    events = gather(decided)
    decided.fire(5 * HOUR)
    shown.look(timedelta(days=2))
    [digest] = store.reader.deliveries()
    line = f"{digest.id}  2026-03-01 18:00:00  desk              cancelled                         digest of 3: pending"
    assert shown.event(events[0]) == [
        "  cancelled: digested",
        "    in the digest of Sun 18:00, with 2 others (oldest Sun 13:00, newest Sun 15:00)",
        f"    {line}",
    ]
    assert run("deliveries") == [line]
    assert shown.delivery(digest.id) == [
        "  window cancelled 1",
        "  3 events:",
        f"    {events[0][:8]}  2026-03-01 13:00:00  Class.Booking.Cancelled       c0",
        f"    {events[1][:8]}  2026-03-01 14:00:00  Class.Booking.Cancelled       c1",
        f"    {events[2][:8]}  2026-03-01 15:00:00  Class.Booking.Cancelled       c2",
        "  meant for Sun 18:00",
        "  goes to mail now, if it cannot be sent",
    ]


def test_a_long_digest_lists_the_first_events_and_counts_the_rest(shown: Shown, store: Store) -> None:
    decided = shown.decide_by(replace(CANCELLED, notify=("mail",)))
    events = [decided.come("Class.Booking.Cancelled", after=number * MINUTE) for number in range(24)]
    decided.fire(5 * HOUR)
    [digest] = store.reader.deliveries()
    lines = shown.delivery(digest.id)
    assert (lines[1], lines[22:]) == ("  24 events:", ["    and 4 more", "  meant for 18:00"])
    assert run_json("deliveries", "show", digest.id)[0]["events"] == events
    store.write(Transaction.erase_events, events[:2], alone=True)
    lines = shown.delivery(digest.id)
    # It has still to be written: it never was about more.
    assert (lines[1], lines[22:]) == ("  22 events:", ["    and 2 more", "  meant for 18:00"])
    [claimed] = claim(store, channel="mail", now=START + 5 * HOUR)
    begin(store, claimed)
    settle(store, claimed, DeliveryState.DELIVERED)
    store.write(Transaction.erase_events, events[2:6], alone=True)
    lines = shown.delivery(digest.id)
    assert lines[1] == "  18 events:"
    assert lines[20:22] == ["    and 4 that are not kept any more", "  meant for 18:00"]


def test_one_that_was_late_for_its_digest_says_so(shown: Shown, store: Store) -> None:
    decided = shown.decide_by(replace(CANCELLED, notify=("mail",)))
    gather(decided)
    decided.fire(5 * HOUR)
    late = decided.come("Class.Booking.Cancelled", after=6 * HOUR, at=START + HOUR)
    assert shown.event(late) == [
        "  cancelled: digested (it came too late for the digest before, and goes into the next)",
        "    in the digest that goes out Mon 18:00, with no others so far",
    ]
    decided.fire(30 * HOUR)
    digest = store.reader.deliveries()[0]
    assert shown.delivery(digest.id)[2] == (
        f"    {late[:8]}  2026-03-01 14:00:00  Class.Booking.Cancelled       late"
    )


def test_the_window_of_a_decision_is_in_its_json(shown: Shown) -> None:
    decided = shown.decide_by(replace(CANCELLED, digest=Digest(every=5 * HOUR)))
    events = gather(decided)
    [in_json] = run_json("events", "show", events[1])
    window = {
        "rule": "cancelled",
        "stage": "digest",
        "key": "[]",
        "opened": "2026-03-01T12:00:00Z",
        "due": "2026-03-01T17:00:00Z",
        "count": 3,
        "event": events[2],
        "events": events,
    }
    assert in_json["decisions"] == [
        {"rule": "cancelled", "reason": "digested", "detail": "until 2026-03-01T17:00:00+00:00",
         "deliveries": [], "window": window},
    ]  # fmt: skip
    assert in_json["windows"] == [window]


def test_the_fallback_of_a_digest_is_named(shown: Shown, store: Store) -> None:
    decided = shown.decide_by(CANCELLED)
    gather(decided)
    decided.fire(5 * HOUR)
    shown.look(6 * HOUR)
    store.write(Transaction.fall_back_overdue, "desk", "mail", START + 6 * HOUR, START + 6 * HOUR, 10)
    [late], [instead] = store.reader.deliveries(channel="desk"), store.reader.deliveries(channel="mail")
    assert shown.delivery(late.id)[-1] == f"  told instead by delivery {instead.id} to mail: pending"
    assert f"  instead of delivery {late.id}" in shown.delivery(instead.id)


def test_deliveries_are_found_by_the_events_of_their_digest(shown: Shown, store: Store) -> None:
    decided = shown.decide_by(replace(CANCELLED, digest=Digest(every=HOUR)))
    decided.come("Class.Booking.Cancelled", {"guest": {"id": "guest-1"}}, center="c1")
    decided.come("Class.Booking.Cancelled", {"guest": {"id": "guest-2"}}, center="c2")
    decided.fire(2 * HOUR)
    decided.come("Class.Booking.Cancelled", after=3 * HOUR, center="c3")
    decided.fire(5 * HOUR)
    second, first = store.reader.deliveries()
    assert [one["id"] for one in run_json("deliveries", "--center", "C2")] == [first.id]
    assert [one["id"] for one in run_json("deliveries", "--center", "c3")] == [second.id]
    assert [one["id"] for one in run_json("deliveries", "--guest", "guest-2")] == [first.id]
    assert len(run_json("deliveries", "--type", "class.*")) == 2
    assert run_json("deliveries", "--type", "invoice.*") == []


# --- escalation -------------------------------------------------------------------------------------------------


ESCALATED = Rule(
    id="feedback",
    events=("feedback.low",),
    notify=("desk",),
    escalate=(Step(30 * MINUTE, ("regional",)), Step(HOUR, ("regional", "mail"))),
)


def acknowledge(store: Store, delivery: str, after: timedelta) -> None:
    """As the linked page does."""
    place = 1
    row = {"delivery": delivery_number(delivery), "event": place, "gathered": None, "rule": "feedback"}
    at = to_micros(START + after)
    store.write(lambda t: t._connection.execute(insert(acknowledgements).values(**row, at=at, by="Ann")))


def test_what_is_escalated_says_who_is_told_next_and_who_took_it(shown: Shown, store: Store) -> None:
    decided = shown.decide_by(ESCALATED)
    event = decided.come("Feedback.Low")
    first = store.reader.deliveries()[0].id
    next_step = "step 1 of 2 goes to regional at 13:30 unless somebody takes it"
    assert shown.event(event)[2:] == [f"    {next_step}"]
    assert f"  {next_step}" in shown.delivery(first)
    decided.fire(40 * MINUTE)
    second = store.reader.deliveries()[0].id
    lines = shown.event(event)
    assert lines[2].endswith("  regional          feedback                          step 1: pending")
    assert lines[3] == "    step 2 of 2 goes to regional and mail at 14:00 unless somebody takes it"
    assert shown.delivery(second)[:3] == [
        f"  event {event}",
        "  step 1 of an escalation",
        "  meant for 13:30",
    ]
    acknowledge(store, first, 45 * MINUTE)
    last = NewDelivery(1, "feedback", "desk", "rules", START, START, step=TAKEN)
    store.write(Transaction.add_deliveries, [last])
    assert run("deliveries")[0].endswith(
        "  desk              feedback                          who took it: pending"
    )
    assert "  tells those who were told who took it" in shown.delivery(store.reader.deliveries()[0].id)
    assert "    taken by Ann at 13:45" in shown.event(event)
    assert "  taken by Ann at 13:45" in shown.delivery(second)
    [in_json] = run_json("deliveries", "show", second)
    assert in_json["acknowledged"] == {"by": "Ann", "at": "2026-03-01T12:45:00Z"}
    assert in_json["step"] == 1


def test_an_escalation_of_a_digest_is_said_of_each_event_of_it(shown: Shown, store: Store) -> None:
    decided = shown.decide_by(replace(ESCALATED, digest=Digest(every=10 * MINUTE)))
    events = [decided.come("Feedback.Low", after=number * MINUTE) for number in range(2)]
    decided.fire(10 * MINUTE)
    [digest] = store.reader.deliveries()
    said = "step 1 of 2 goes to regional at 13:40 unless somebody takes it"
    assert shown.event(events[0])[-1] == f"    {said}"
    assert f"  {said}" in shown.delivery(digest.id)


def test_of_a_rule_with_fewer_steps_than_before_the_end_is_said(shown: Shown) -> None:
    event = shown.decide_by(ESCALATED).come("Feedback.Low")
    shown.decide_by(replace(ESCALATED, escalate=()))
    assert shown.event(event)[-1] == "    the escalation has no further step"
    shown.decide_by()
    assert shown.event(event)[-1] == "    step 1 goes out at 13:30 unless somebody takes it"


# --- absent -----------------------------------------------------------------------------------------------------


def test_the_last_event_that_was_awaited_says_until_when_the_next_one_is_missed(
    shown: Shown, store: Store
) -> None:
    rule = Rule(id="no-invoice", events=("invoice.closed",), notify=("mail",), absent=Absent(period=2 * HOUR))
    decided = shown.decide_by(rule)
    first = decided.come("Invoice.Closed")
    second = decided.come("Invoice.Closed", after=HOUR)
    assert shown.event(first) == [f"  no rule matched; why one did not: zennotify preview RULE {first[:8]}"]
    assert shown.event(second) == ["  no-invoice: tells mail when nothing more has come until 16:00"]
    assert run("windows") == [
        f"2026-03-01 16:00:00  no-invoice                        absent     event {second[:8]}"
    ]
    [in_json] = run_json("events", "show", second)
    assert [(one["rule"], one["events"]) for one in in_json["windows"]] == [("no-invoice", [second])]
    decided.fire(4 * HOUR)
    [delivery] = store.reader.deliveries()
    line = f"{delivery.id}  2026-03-01 16:00:00  mail              no-invoice                        pending"
    assert shown.event(second) == ["  no-invoice: notified", f"    {line}"]
    assert "  meant for 16:00" in shown.delivery(delivery.id)


# --- what stops a message, or holds it ------------------------------------------------------------------------------


def test_what_is_outside_the_hours_is_held_until_the_opening(shown: Shown, store: Store) -> None:
    open_ = During(text="17:00-18:00", hours=OpeningHours((read_ranges("17:00-18:00"),) * 7))
    event = shown.decide_by(Rule(id="r", events=("t",), notify=("mail",), hours=Hours(during=open_))).come(
        "T"
    )
    shown.look(-timedelta(days=1))
    lines = shown.event(event)
    assert lines[0] == "  r: notified (held until Sun 18:00)"
    assert lines[1].endswith("  pending (outside_hours), held until Sun 18:00 (opening)")
    shown.look(timedelta(days=30))
    assert shown.event(event)[0] == "  r: notified (held until Sun 2026-03-01 18:00)"


def test_what_stopped_says_why_with_times_of_this_clock(shown: Shown) -> None:
    silence = Silence(
        id="s1", rule="silenced", since=START, until=START + 2 * HOUR, why="stock taking", by="Ann"
    )
    mutes = SuppressedBy(rule="once", same=PER_GUEST, within=HOUR)
    decided = shown.decide_by(
        Rule(id="once", events=("t",), notify=("mail",), once=make_once("data.guest_id", period=HOUR)),
        Rule(
            id="threshold",
            events=("t",),
            notify=("mail",),
            threshold=Threshold(count=3, within=HOUR, per=PER_GUEST),
        ),
        Rule(id="silenced", events=("t",), notify=("mail",)),
        Rule(id="muted", events=("t",), notify=("mail",), suppressed=mutes),
        silences=(silence,),
    )
    decided.come("T", {"guest_id": "g"})
    event = decided.come("T", {"guest_id": "g"}, after=5 * MINUTE)
    assert shown.event(event) == [
        "  once: held_back (once until 14:00)",
        "  threshold: below_threshold (2 of 3)",
        "  silenced: silenced (silence s1 by Ann until 15:00: stock taking)",
        "  muted: suppressed (once fired for the same at 13:05)",
    ]


def test_a_delivery_says_what_was_counted_and_held_back(shown: Shown, store: Store) -> None:
    once = make_once("data.guest_id", period=HOUR)
    threshold = Threshold(count=2, within=9 * HOUR, per=PER_GUEST)
    decided = shown.decide_by(Rule(id="r", events=("t",), notify=("mail",), once=once, threshold=threshold))
    events = [decided.come("T", {"guest_id": "g"}, after=minutes * MINUTE) for minutes in (0, 1, 2, 90)]
    last = store.reader.deliveries()[0]
    assert shown.delivery(last.id) == [
        f"  event {events[-1]}",
        "  4 events counted towards the threshold",
        "  1 held back before it",
    ]
    [in_json] = run_json("deliveries", "show", last.id)
    assert (in_json["count"], in_json["held_back"]) == (4, 1)


@pytest.mark.usefixtures("store")
def test_events_are_listed_by_every_reason(shown: Shown) -> None:
    event = shown.decide_by(FROZEN).come("Guest.Membership.Freeze", {"guest_id": "g"})
    assert [one["id"] for one in run_json("events", "--reason", "waiting")] == [event]
    help_ = CliRunner().invoke(main, ["events", "list", "--help"]).stdout
    assert [reason for reason in Reason if reason.value not in help_] == [
        Reason.NOT_MATCHED,
        Reason.WHEN_FALSE,
    ]


# --- the rules in force ------------------------------------------------------------------------------------------


FILE = """
rules:
  - id: frozen
    event: Guest.Membership.Freeze
    wait: {for: 10m, unless: Guest.Membership.Unfreeze, per: data.guest_id}
    notify: desk
    message: x
  - id: cancelled
    event: Class.Booking.Cancelled
    digest: {every: 1h}
    notify: mail
    message: x
"""


def put_in_force(store: Store, name: str, rules: str, after: timedelta = timedelta()) -> Sources:
    sources = Sources(rules={"a.yaml": rules}, templates={}, centers="centers: {c1: {name: Bellevue}}")
    kept = json.dumps({"rules": dict(sources.rules), "templates": {}, "centers": sources.centers})
    store.write(Transaction.save_rule_set, name, kept, START + after)
    return sources


def test_rules_and_centres_are_those_that_the_store_has_in_force(shown: Shown, store: Store) -> None:
    project = load_project(Path("config.yaml"), need_secrets=False)
    sources = put_in_force(store, "rules", FILE)
    decided = Decided(store, *surroundings(project.config, project.forms).compile(sources).rules.rules)
    event = decided.come("Guest.Membership.Freeze", {"guest_id": "g"})
    waits = "    waits until 13:10 for its opposite (Guest.Membership.Unfreeze); then it goes to"
    assert shown.event(event)[1] == f"{waits} desk"
    put_in_force(store, "newer", FILE.replace("notify: desk", "notify: mail"), HOUR)
    assert shown.event(event)[1] == f"{waits} mail"
    # One that was removed goes on as it was.
    put_in_force(store, "newest", FILE.replace("id: frozen", "id: other"), 2 * HOUR)
    assert shown.event(event)[1] == f"{waits} desk"
    gathered = decided.come("Class.Booking.Cancelled", center="C1")
    decided.come("Class.Booking.Cancelled", center="c2", after=MINUTE)
    decided.fire(HOUR)
    lines = shown.delivery(store.reader.deliveries(channel="mail")[0].id)
    assert lines[2] == f"    {gathered[:8]}  2026-03-01 13:00:00  Class.Booking.Cancelled       Bellevue"
    assert lines[3].endswith("  Class.Booking.Cancelled       c2")


def test_rules_that_cannot_be_read_any_more_leave_the_rest_to_be_said(shown: Shown, store: Store) -> None:
    put_in_force(store, "rules", "rules: [")
    event = Decided(store, FROZEN).come("Guest.Membership.Freeze", {"guest_id": "g"})
    assert shown.event(event)[1] == "    waits until 13:10; then it goes out"


# --- windows ----------------------------------------------------------------------------------------------------


def test_what_is_about_to_go_out_is_listed_the_next_first(shown: Shown, store: Store) -> None:
    by_room = Digest(every=5 * HOUR, per=(parse_path("data.room"),))
    decided = shown.decide_by(FROZEN, replace(CANCELLED, digest=by_room), ESCALATED)
    gone = decided.come("Class.Booking.Cancelled", {"room": "Blue \u202e"})
    frozen = decided.come("Guest.Membership.Freeze", {"guest_id": "g"})
    low = decided.come("Feedback.Low")
    lines = [
        f"2026-03-01 13:10:00  frozen                            wait       event {frozen[:8]}            g",
        f"2026-03-01 13:30:00  feedback                          escalate   step 1, event {low[:8]}",
        "2026-03-01 18:00:00  cancelled                         digest     1 event                   blue ?",
    ]
    assert run("windows") == lines
    assert run("windows", "--rule", "feedback") == lines[1:2]
    assert run("windows", "--limit", "1") == lines[:1]
    assert run_json("windows", "--rule", "cancelled") == [
        {
            "rule": "cancelled",
            "stage": "digest",
            "key": '[["blue \u202e"]]',
            "opened": "2026-03-01T12:00:00Z",
            "due": "2026-03-01T17:00:00Z",
            "count": 1,
            "event": gone,
        }
    ]
    done = CliRunner().invoke(main, ["windows", "--rule", "nope", "--config", "config.yaml"])
    assert (done.exit_code, done.stdout, done.stderr) == (
        0,
        "",
        "zennotify: nothing of rule `nope` waits for its time\n",
    )
    view = store.reader.timers(rule="frozen")[0]
    assert store.reader.timer(view.key) == view
    assert store.reader.timer(view.key._replace(key="other")) is None
