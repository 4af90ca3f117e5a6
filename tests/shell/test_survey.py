"""What the events say about the rules: each kind of finding, from the events that show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.fakes import make_event
from zennotify.core.model import Event, Form, Zone
from zennotify.rulefile import Sources, compile_rules
from zennotify.rulefile.used import used_fields
from zennotify.survey import Finding, Kind, Survey
from zennotify.zenoti.catalog import EVENT_TYPES
from zennotify.zenoti.memory import Memory
from zennotify.zenoti.sample import load_sample

NO_SHOW = "Class.Booking.NoShow"


def survey(
    rule: str,
    events: Sequence[Event],
    facts: Mapping[str, str] | None = None,
    centers: str | None = None,
    *,
    is_part: bool = False,
) -> Survey:
    notify = "" if "notify:" in rule else "notify: desk, "
    sources = Sources(
        rules={"r.yaml": f"rules:\n  - {{id: r, {notify}{rule}}}\n"},
        templates={"t.j2": "{{ data.from_file }}"},
        centers=centers,
    )
    compiled = compile_rules(
        sources,
        channels={"desk": Form.CHAT, "guest-sms": Form.SMS},
        time_zone="UTC",
        locale="en-US",
        event_types=EVENT_TYPES,
        examined=False,  # a field that the catalog does not know is seen as well
    )
    used = used_fields(sources, compiled, {"guest-sms": "{{ guest.phone }}"})
    made = Survey(compiled.rules, used, is_part=is_part)
    known = facts or {}
    memory = Memory(lambda keys: {key: known[key] for key in keys if key in known}, Zone.CENTER)
    for start in range(0, len(events), 2):
        made.read(events[start : start + 2], memory)
    return made


def said(
    rule: str,
    events: Sequence[Event],
    decisions: Mapping[tuple[str, str], int] | None = None,
    facts: Mapping[str, str] | None = None,
) -> list[Finding]:
    """What is said of the rule."""
    fired = {("r", "notified"): 1} if decisions is None else decisions
    return [finding for finding in survey(rule, events, facts).findings(fired) if finding.rule]


def new(event_type: str, events: Sequence[Event]) -> list[Finding]:
    """What is said of no rule."""
    findings = survey(f"event: {event_type}, message: x", events).findings({})
    return [finding for finding in findings if finding.rule is None]


def no_shows(*data: dict[str, Any]) -> list[Event]:
    return [make_event(NO_SHOW, one) for one in data]


@pytest.mark.parametrize(
    ("rule", "key"),
    [
        ("match: {data.reson: x}, message: x", "match"),
        ("once: {per: data.reson, for: 24h}, message: x", "once"),
        ("when: data.reson, message: x", "when"),
        ("message: '{{ data.reson }}'", "message"),
        ("when: data.reson, once: {per: data.reson, for: 1h}, message: x", "once` and `when"),
    ],
)
def test_a_field_that_was_never_there_is_said_with_the_nearest(rule: str, key: str) -> None:
    [finding] = said(f"event: {NO_SHOW}, {rule}", no_shows({"reason": "a"}, {"reason": "b"}))
    assert finding == Finding(
        kind=Kind.NEVER_SEEN,
        rule="r",
        event_type=NO_SHOW,
        path="data.reson",
        count=2,
        of=2,
        says=f"`data.reson` (in `{key}`) was in none of the 2 {NO_SHOW} events; did you mean `reason`?",
    )


def test_the_rate_of_nulls_is_said() -> None:
    events = no_shows({"x": None}, {"x": ""}, {}, {"x": 0}, {"x": False}, {"x": "a"}, {"x": "b"}, {"x": "c"})
    [finding] = said(f"event: {NO_SHOW}, message: '{{{{ data.x }}}}'", events)
    assert (finding.kind, finding.count, finding.of) == (Kind.NULL_RATE, 3, 8)
    assert finding.says == (
        f"`data.x` (in `message`) is null, empty or missing in 38 % of the 8 {NO_SHOW} events"
    )
    [finding] = said(f"event: {NO_SHOW}, once: {{per: data.x, for: 1h}}, message: x", events)
    assert finding.says.endswith(f"the 8 {NO_SHOW} events: `once` limits none of them")


def test_what_earlier_events_taught_counts() -> None:
    events = no_shows({"guest_id": "nora"}, {"guest_id": "mia"})
    rule = f"event: {NO_SHOW}, message: '{{{{ guest.name }}}}'"
    [finding] = said(rule, events)
    assert (finding.kind, finding.path, finding.count) == (Kind.NULL_RATE, "guest.name", 2)
    [finding] = said(rule, events, facts={"guest nora": '[[1,"e",{"name":"Nora"}]]'})
    assert finding.count == 1


def test_lists_are_looked_into() -> None:
    events = no_shows({"a": [{"b": None}, {"b": 1}]}, {"a": [{"b": None}]}, {"a": []})
    [finding] = said(f"event: {NO_SHOW}, match: {{'data.a[*].b': 1}}, message: x", events)
    assert (finding.path, finding.count, finding.of) == ("data.a[*].b", 2, 3)


def test_a_template_in_a_file_is_read() -> None:
    [finding] = said(f"event: {NO_SHOW}, template: t.j2", no_shows({}))
    assert (finding.path, finding.says.split(" was")[0]) == (
        "data.from_file",
        "`data.from_file` (in `template`)",
    )


def test_a_rule_that_never_fired_is_said_with_what_became_of_it() -> None:
    rule = f"event: {NO_SHOW}, message: x"
    [finding] = said(rule, no_shows({}, {}), {("other", "notified"): 5})
    assert (finding.kind, finding.rule, finding.of) == (Kind.NEVER_FIRED, "r", 2)
    assert finding.says == (
        "it never sent anything, though 2 events came that it listens to: none of them met it, or they came before"
        " the rule"
    )
    [finding] = said(rule, no_shows({}), {("r", "error"): 2, ("r", "held_back"): 1})
    assert finding.says.endswith("listens to: 2 error, 1 held_back")
    [finding] = said(
        f"{rule}, wait: {{for: 10m}}", no_shows({}), {("r", "waiting"): 2, ("r", "withdrawn"): 1}
    )
    assert finding.says.endswith("listens to: 2 waiting, 1 withdrawn")


def test_a_digest_has_fired_and_of_what_is_awaited_none_is_missed() -> None:
    assert (
        said(f"event: {NO_SHOW}, message: x, digest: {{every: 1h}}", no_shows({}), {("r", "digested"): 2})
        == []
    )
    assert said(f"absent: {{event: {NO_SHOW}, for: 2h}}, message: x", no_shows({}), {}) == []


def test_a_rule_whose_events_never_came_is_said_with_the_nearest_that_did() -> None:
    [finding] = [
        one
        for one in said("event: Guest.Creatd, message: x", [make_event("Guest.Created", {})], {})
        if one.rule
    ]
    assert (finding.kind, finding.event_type) == (Kind.NEVER_CAME, "guest.creatd")
    assert finding.says == (
        "none of the events that it listens to (guest.creatd) ever came; did you mean `Guest.Created`?"
    )


NEAR = [
    ("Class.Booking.Cancelled", ""),
    ("Class.Booking.Creat*", ""),
    ("[Class.Booking.Cancelled, Class.Booking.Creatd]", "; did you mean `Class.Booking.Created`?"),
]


@pytest.mark.parametrize(("event", "near"), NEAR)
def test_a_type_that_is_known_and_a_glob_are_taken_as_they_are(event: str, near: str) -> None:
    came = [make_event("Class.Booking.Created", {})]
    if "*" in event:
        came = [make_event("Class.Bookin.Created", {})]
    [finding] = said(f"event: {event}, message: x", came, {})
    assert finding.kind is Kind.NEVER_CAME
    assert finding.says.endswith(f") ever came{near}")


def test_of_a_part_of_the_events_nothing_is_said_about_ever() -> None:
    rule = f"event: {NO_SHOW}, message: x"
    [finding] = survey(rule, [], is_part=True).findings({})
    assert finding.says == f"none of the events that it listens to ({NO_SHOW}) came in the time looked at"
    [finding] = survey(rule, no_shows({}), is_part=True).findings({})
    assert finding.says.startswith("it sent nothing in the time looked at, though 1 event came")


SHARES = [
    (1, 10_000, "under 0.1 %"),
    (9_999, 10_000, "over 99.9 %"),
    (1, 1_000, "0.1 %"),
    (999, 1_000, "99.9 %"),
]


@pytest.mark.parametrize(("count", "of", "share"), SHARES)
def test_a_share_is_not_rounded_to_nothing_or_all(count: int, of: int, share: str) -> None:
    events = no_shows({"x": None}, {"x": 1})
    events = [events[0]] * count + [events[1]] * (of - count)
    [finding] = said(f"event: {NO_SHOW}, message: '{{{{ data.x }}}}'", events)
    assert f"missing in {share} of the" in finding.says


def test_nothing_is_said_of_a_rule_that_is_off() -> None:
    assert said("event: Guest.Deleted, enabled: no, message: x", no_shows({}), {}) == []


def test_types_match_in_every_spelling_and_by_glob() -> None:
    events = [make_event("class.booking.noshow", {}), make_event(NO_SHOW, {"x": 1})]
    [finding] = said("event: Class.*, message: '{{ data.x }}'", events)
    assert (finding.count, finding.of) == (1, 2)


def test_new_types_and_new_fields_are_said() -> None:
    data = load_sample(NO_SHOW)["data"]
    events = [
        make_event(NO_SHOW, data),
        make_event(NO_SHOW, {**data, "new one": {"below": 1}}),
        make_event("Gift.Card\x1b[2J", {"anything": 1}),
    ]
    new_type, new_field = sorted(new(NO_SHOW, events), key=lambda one: one.path or "")
    assert (new_field.kind, new_field.path, new_field.count, new_field.of) == (
        Kind.NEW_FIELD,
        'data["new one"]',
        1,
        2,
    )
    assert new_type.kind is Kind.NEW_TYPE
    assert new_type.says == "zennotify does not know the type of the only Gift.Card?[2J event"


@pytest.mark.parametrize("sample", ["Invoice.Closed", "Class.Schedule.Created", "Guest.Created"])
def test_nothing_is_new_in_the_documented_samples(sample: str) -> None:
    assert new(sample, [make_event(sample, load_sample(sample)["data"])]) == []


def test_centres_are_counted_named_and_their_clocks_learned() -> None:
    created = load_sample("AppointmentGroup.Created")["data"]
    center_id = created["center_id"]
    events = [
        make_event("AppointmentGroup.Created", created),
        make_event(NO_SHOW, {"center_id": center_id.upper()}),
        make_event(NO_SHOW, {"center_id": "c-2"}),
        make_event("AppointmentGroup.Status", {}),
    ]
    first, second = survey(f"event: {NO_SHOW}, message: x", events).unlisted_centers()
    assert (first.id, first.name, first.events) == (center_id, created["center_Name"], 2)
    assert (str(first.offset), str(first.offset_on)) == ("-1 day, 17:00:00", "2024-07-25")
    assert (second.id, second.name, second.offset) == ("c-2", None, None)

    def unknown(centers: str | None) -> list[Finding]:
        findings = survey(f"event: {NO_SHOW}, message: x", events, None, centers).findings({})
        return [one for one in findings if one.kind is Kind.UNKNOWN_CENTER]

    assert [one.path for one in unknown("centers:\n  other: {name: Other}\n")] == [center_id, "c-2"]
    [finding] = unknown(f"centers:\n  {center_id.upper()}: {{name: Bellevue}}\n")
    assert finding.says.startswith("1 event came from the centre c-2, which centers.yaml does not list")
    assert unknown(None) == []


def test_a_recipient_that_is_not_known_is_said_also_behind_a_role() -> None:
    events = no_shows({"guest_id": "nora", "center_id": "c"}, {"guest_id": "mia", "center_id": "c"})
    facts = {"guest nora": '[[1,"e",{"name":"Nora","phone":"2065550188"}]]'}
    for notify, centers in (
        ("[desk, guest-sms]", None),
        ("texts", "centers:\n  c: {name: C, channels: {texts: guest-sms}}\n"),
    ):
        rule = f"event: {NO_SHOW}, message: x, notify: {notify}"
        findings = survey(rule, events, facts, centers).findings({("r", "notified"): 1})
        [finding] = [one for one in findings if one.kind is Kind.NULL_RATE]
        assert finding.says == (
            f"`guest.phone` (in `to of guest-sms`) is null, empty or missing in 50 % of the 2 {NO_SHOW} events: what"
            " would go to guest-sms has no recipient"
        )


def test_of_a_field_that_may_be_missing_only_a_mistake_is_said() -> None:
    events = no_shows({"a": 1}, {})
    assert said(f"event: {NO_SHOW}, message: '{{{{ data.a | default(1) }}}}'", events) == []
    [finding] = said(f"event: {NO_SHOW}, message: '{{{{ data.b | default(1) }}}}'", events)
    assert finding.kind is Kind.NEVER_SEEN


def test_of_a_field_that_one_of_several_types_has_only_a_use_without_asking_is_said() -> None:
    events = [make_event("Class.Booking.Created", {"a": 1}), make_event(NO_SHOW, {})]
    rule = "event: Class.Booking.*, message: "
    [finding] = said(rule + "'{{ data.a }}'", events)
    assert (finding.kind, finding.event_type) == (Kind.NEVER_SEEN, NO_SHOW)
    assert (
        said(rule + "\"x{% if event.type == 'Class.Booking.Created' %}{{ data.a }}{% endif %}\"", events)
        == []
    )


def test_what_centers_yaml_says_is_known() -> None:
    rule = f"event: {NO_SHOW}, message: '{{{{ center.name }}}}'"
    events = no_shows({"center_id": "c"})
    assert [one.path for one in said(rule, events)] == ["center.name"]
    findings = survey(rule, events, None, "centers:\n  c: {name: Bellevue}\n").findings(
        {("r", "notified"): 1}
    )
    assert [one for one in findings if one.rule] == []
