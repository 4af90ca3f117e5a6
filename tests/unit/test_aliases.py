"""Event types under other names: they are of the catalog's type, and keep what they were sent as."""

from __future__ import annotations

import json

import pytest

from tests.fakes import START
from zennotify.core.model import Code, Zone
from zennotify.zenoti import aliases
from zennotify.zenoti.aliases import ALIASES, kind_of, with_aliases
from zennotify.zenoti.catalog import EVENT_TYPES, INFERRED, label
from zennotify.zenoti.event import Reading, reopen
from zennotify.zenoti.sample import load_sample
from zennotify.zenoti.things import things_of

OWN = with_aliases({"Guest.Membership.Frozen": "guest.membership.FREEZE"})


def test_every_alias_stands_for_a_listed_type_and_is_none_itself() -> None:
    for alias, event_type in (aliases.DOCUMENTED | aliases.OBSERVED).items():
        assert event_type in EVENT_TYPES
        assert label(alias) == "other"


def test_every_inferred_type_has_the_name_that_zenotis_pages_use() -> None:
    assert set(INFERRED) <= set(aliases.DOCUMENTED.values())


@pytest.mark.parametrize(
    ("event_type", "kind"),
    [
        ("Guest.Membership.Freeze", "guest.membership.freeze"),
        ("GUEST.MEMBERSHIP.FROZEN", "guest.membership.freeze"),
        ("guest package creation", "guest.package.created"),
        ("Made.Up", "made.up"),
        ("", ""),
    ],
)
def test_a_kind_is_the_catalogs_name_in_lower_case(event_type: str, kind: str) -> None:
    assert kind_of(event_type, OWN) == kind


def test_an_alias_of_the_configuration_goes_before_zenotis_own() -> None:
    mine = with_aliases({"Guest Package Creation": "Guest.Package.StatusUpdate"})
    assert kind_of("Guest Package Creation", mine) == "guest.package.statusupdate"
    assert kind_of("Guest Package Creation", ALIASES) == "guest.package.created"


def test_an_event_under_an_alias_has_the_meanings_and_things_of_its_type() -> None:
    body = load_sample("Guest.Membership.Freeze")
    one = reopen(json.dumps(body).encode(), START, Reading(Zone.CENTER, OWN), "")
    renamed = json.dumps(body | {"event_type": "Guest.Membership.Frozen"}).encode()
    other = reopen(renamed, START, Reading(Zone.CENTER, OWN), "")
    assert other.type == "Guest.Membership.Frozen"
    assert other.kind == one.kind == "guest.membership.freeze"
    assert isinstance(other.data["status"], Code)
    assert things_of(other) == things_of(one)
    assert reopen(renamed, START, Reading(Zone.CENTER), "").kind == "guest.membership.frozen"
