"""Web hooks: what a program reads, by the schema that is shipped, and what the URL changes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from importlib.resources import files
from typing import Any

import pytest

from tests.sinks import HttpSink, Received
from zennotify.channel import open_channel
from zennotify.core.model import Form, Label, Message, Outcome

SCHEMA = json.loads((files("zennotify.channel") / "webhook.schema.json").read_text("utf-8"))
LABEL = Label("0123abcd4567", "no-show", "e" * 32, "AppointmentGroup.Status", is_repeat=True)
KINDS = {"string": str, "object": dict, "array": list, "boolean": bool, "null": type(None)}


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with HttpSink() as made:
        yield made


def send(url: str, label: Label = LABEL) -> None:
    hook = open_channel("hook", url=url, to=None, form=None, timeout=timedelta(seconds=5), echo=print)
    message = Message(title="No-show", body="Abc missed Yoga\n\nRef 0123abcd", form=Form.JSON)
    assert hook.send(message, label).outcome is Outcome.SENT


def check(value: Any, schema: dict[str, Any], place: str = "$") -> None:
    """Hold JSON against the part of JSON Schema that ours uses; an unknown word of it fails."""
    for word, wanted in schema.items():
        match word:
            case "type":
                kinds = [wanted] if isinstance(wanted, str) else wanted
                assert any(type(value) is KINDS[kind] for kind in kinds), place
            case "const":
                assert value == wanted, place
            case "minLength":
                assert len(value) >= wanted, place
            case "maxLength" | "maxItems":
                assert len(value) <= wanted, place
            case "required":
                assert value is None or set(wanted) <= set(value), place
            case "additionalProperties":
                assert value is None or set(value) <= set(schema["properties"]), place
            case "properties":
                for name, inner in (value or {}).items():
                    check(inner, wanted[name], f"{place}.{name}")
            case _:
                assert word in {"$schema", "title", "description"}, word


@pytest.mark.parametrize("label", [LABEL, Label("d1"), Label("d1", "(ops)")])
def test_what_is_posted_is_what_the_schema_says(sink: HttpSink, label: Label) -> None:
    send(sink.url(), label)
    (got,) = sink.received
    check(got.json, SCHEMA)
    assert set(got.json) == set(SCHEMA["properties"]) == set(SCHEMA["required"])
    assert got.headers["X-Zennotify-Delivery"] == got.json["delivery"] == label.delivery
    assert got.headers["Content-Type"] == "application/json"


def test_what_stands_on_a_message_is_in_its_fields(sink: HttpSink) -> None:
    send(sink.url())
    assert sink.received[0].json == {
        "version": "1.0",
        "title": "No-show",
        "message": "Abc missed Yoga\n\nRef 0123abcd",
        "attachments": [],
        "type": "info",
        "delivery": "0123abcd4567",
        "rule": "no-show",
        "event": {"id": "e" * 32, "type": "AppointmentGroup.Status"},
        "repeat": True,
    }


def test_a_url_renames_drops_and_adds_fields(sink: HttpSink) -> None:
    send(sink.url("/hook?:message=text&:delivery=id&:event=&:version=&:site=north&+X-Team=desk&method=PUT"))
    (got,) = sink.received
    assert (got.method, got.path, got.headers["X-Team"]) == ("PUT", "/hook", "desk")
    assert {"text", "id", "site"} <= set(got.json)
    assert not {"message", "delivery", "event", "version"} & set(got.json)
    assert (got.json["id"], got.json["site"]) == ("0123abcd4567", "north")


def test_each_message_has_its_own_label(sink: HttpSink) -> None:
    hook = open_channel("hook", url=sink.url(), to=None, form=None, timeout=timedelta(seconds=5), echo=print)
    for delivery in ("d1", "d2"):
        hook.send(Message(title="", body="text", form=Form.JSON), Label(delivery))
    assert [got.json["delivery"] for got in sink.received] == ["d1", "d2"]
    assert [got.json["event"] for got in sink.received] == [None, None]


def fields(got: Received) -> dict[str, str]:
    return got.form


def test_a_form_stays_flat(sink: HttpSink) -> None:
    send(sink.url(scheme="form"))
    (got,) = sink.received
    assert fields(got) == {
        "version": "1.0",
        "title": "No-show",
        "message": "Abc missed Yoga\n\nRef 0123abcd",
        "type": "info",
        "delivery": "0123abcd4567",
        "rule": "no-show",
    }
    assert got.headers["X-Zennotify-Delivery"] == "0123abcd4567"


def test_a_url_of_a_form_may_say_a_field_itself(sink: HttpSink) -> None:
    send(sink.url("/hook?:rule=mine&:site=north&:message=text", scheme="form"))
    (got,) = sink.received
    assert (fields(got)["rule"], fields(got)["site"]) == ("mine", "north")
    assert fields(got)["text"].startswith("Abc missed Yoga")
