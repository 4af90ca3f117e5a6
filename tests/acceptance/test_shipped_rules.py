"""The rules and templates that zennotify ships: when each one speaks, and what people then read.

A table has for each rule what it says with the names that earlier events taught and without them, and what it does
not speak of.  A rule without cases fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from tests.acceptance.shipped_cases import CASES, SILENT
from tests.fakes import make_event
from tests.shipped import (
    ALL_ON,
    AS_SHIPPED,
    SHIPPED,
    Case,
    Silent,
    event_of,
    passed,
    render,
    scene,
    written,
)
from zennotify.core.model import Form
from zennotify.zenoti.names import Names
from zennotify.zenoti.sample import load_sample, sample_names

#: What a newcomer gets without changing anything; the others are off, with the reason beside them.
ON: Final = {
    "new-booking",
    "no-show-fee-required",
    "cancellation-fee-required",
    "third-no-show",
    "class-cancelled",
    "class-booking-cancelled",
    "class-no-show",
    "membership-cancelled",
    "membership-frozen",
    "low-feedback",
    "low-feedback-in-parts",
    "invoice-refunded",
    "invoice-large",
    "employee-deleted",
}
_ID_FIELD = re.compile(r"id$|code$|username$|salary$|hourly_rate$|email$|phone$|^number$", re.IGNORECASE)
#: What was done to a guest, or sold: it may be a matter of health.
_TREATMENT = re.compile(r"^(service_name|comments)$")


def values(data: Any, wanted: re.Pattern[str]) -> Iterator[str]:
    """Yield what stands in fields of such a name, anywhere; without what is too short to be told from words."""
    if isinstance(data, Mapping):
        for name, value in data.items():
            if isinstance(value, str | int | float) and wanted.search(name) and len(str(value)) > 3:
                yield str(value)
            yield from values(value, wanted)
    elif isinstance(data, list):
        for element in data:
            yield from values(element, wanted)


def label(case: Case | Silent) -> str:
    return f"{case.rule}: {case.says}"


@pytest.mark.parametrize("case", CASES, ids=label)
def test_a_rule_speaks_of_what_it_is_for_in_these_words(case: Case) -> None:
    assert case.rule in passed(*scene(case.sample, case.changes, case.given))
    chat, sms = written(case, Form.CHAT), written(case, Form.SMS)
    assert (chat.title, chat.body.removesuffix("\n\nRef 0123abcd")) == (case.title, case.chat)
    assert sms.body == case.sms


@pytest.mark.parametrize("case", CASES, ids=label)
def test_a_message_has_no_id_no_code_and_nothing_that_is_nobodys_business(case: Case) -> None:
    private = list(values(load_sample(case.sample)["data"], _ID_FIELD))
    for sample, changes in ((case.sample, case.changes), *case.given):
        private += values(event_of(sample, changes).data, _ID_FIELD)
    assert private
    for form in Form:
        message = written(case, form)
        text = f"{message.title}\n{message.body}".removesuffix("0123abcd")
        assert [value for value in private if value in text] == []
        assert re.search(r"[0-9a-f]{8}-|(?<!\w)-\d|\bNone\b|\{|  |\n\n\n| [.,]", text) is None, text


@pytest.mark.parametrize("case", CASES, ids=label)
def test_an_sms_is_short_and_names_no_treatment(case: Case) -> None:
    sms = written(case, Form.SMS)
    data = event_of(case.sample, case.changes).data
    assert [value for value in values(data, _TREATMENT) if value in sms.body] == []
    assert len(sms.title + sms.body) <= 160


def test_a_mail_has_every_name_of_a_large_class() -> None:
    case = next(case for case in CASES if case.says == "sixty have booked")
    mail = written(case, Form.EMAIL).body
    assert [f"Guest{number:02} Lee" for number in range(1, 61)] == re.findall(
        r"<li[^>]*>(Guest\d+ Lee)\s*</li>", mail
    )
    assert "without a name" not in mail
    some = next(case for case in CASES if case.says == "some have no name")
    assert "And 2 without a name." in written(some, Form.EMAIL).body


@pytest.mark.parametrize("case", SILENT, ids=label)
def test_a_rule_does_not_speak_of_anything_else(case: Silent) -> None:
    assert case.rule not in passed(*scene(case.sample, case.changes, case.given))


def test_every_shipped_rule_and_template_has_cases() -> None:
    shipped = set(AS_SHIPPED.rules.by_id)
    assert {case.rule for case in CASES} == shipped
    assert {case.rule for case in SILENT} == shipped
    templates = {message.template.name for message in AS_SHIPPED.messages.values()}
    assert templates - {"message"} == set(SHIPPED.templates)


def test_the_essential_rules_are_on_and_one_key_switches_any_of_them() -> None:
    assert {rule.id for rule in AS_SHIPPED.rules.rules if rule.enabled} == ON
    assert all(rule.enabled for rule in ALL_ON.rules.rules)
    assert "\n".join(SHIPPED.rules.values()).count("\n    enabled: ") == len(AS_SHIPPED.rules.rules)


@pytest.mark.parametrize("sample", sample_names())
def test_no_rule_and_no_template_fails_on_a_documented_event(sample: str) -> None:
    event, names = scene(sample, {})
    for rule in passed(event, names):
        for form in Form:
            assert render(rule, names, form).body


def test_no_rule_fails_on_an_event_without_fields() -> None:
    for kind in {event.replace("*", "x") for rule in ALL_ON.rules.rules for event in rule.events}:
        event = make_event(kind, {})
        passed(event, Names(event))
