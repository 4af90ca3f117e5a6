"""Messages: blocks, forms, escaping, filters, and what an owner reads when a template is wrong."""

from __future__ import annotations

import html
import re
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import apprise
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zennotify import message as messages
from zennotify.channel.services import SERVICES
from zennotify.channel.text import for_chat
from zennotify.core.model import CenterTime, Code, Form, Message, Placeholder, UtcTime, YesNo
from zennotify.errors import MessageError
from zennotify.message import TemplateProblem, Templates
from zennotify.zenoti.names import MESSAGE_NAMES

fallback = partial(messages.fallback, time_zone="UTC", locale="en-US")

FOLDER = Path(__file__).parent.parent / "data" / "templates"
FILES = {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.j2"))}
TEMPLATES = Templates(FILES, time_zone="America/New_York", locale="en-US")

NAMES: Mapping[str, Any] = {
    "event": {
        "type": "AppointmentGroup.Status",
        "id": "53ef8c73ded248cfb6b20492a0463f9b",
        "at": datetime(2024, 7, 25, 16, 15, tzinfo=UTC),
        "received_at": datetime(2024, 7, 25, 16, 15, 1, tzinfo=UTC),
    },
    "data": {
        "invoice_id": "7f7f7bc0-813a-4a24-b518-b8bc67b63de6",
        "invoice_number": "13024",
        "appointment_group_id": "53ef8c73-ded2-48cf-b6b2-0492a0463f9b",
        "appointment_group_status": Code(-2, {-2: "NoShow"}),
        "is_noshowfeerequired": YesNo("Yes"),
        "start_time": UtcTime("2024-07-25T16:15:00"),
        "start_in_center": CenterTime("2024-07-25T09:15:00.1234567"),
        "fee": "1250.50",
        "note": None,
        "open": True,
        "items": ["Facial", "Massage"],
        "guest": {"first_name": "Ann", "last_name": "Lee"},
        "long": "y" * 200,
    },
    "guest": {"name": "Ann Lee"},
    "center": {"name": "Bellevue", "time_zone": "America/Los_Angeles", "currency": "USD"},
    "rule": {"id": "no-show-fee", "description": "The front desk charges\nor waives the fee"},
}


def named(guest: str) -> Mapping[str, Any]:
    return {**NAMES, "guest": {"name": guest}}


def render(
    source: str, form: Form = Form.JSON, names: Mapping[str, Any] = NAMES, title: str = "title"
) -> Message:
    return TEMPLATES.inline(source, title).render(form, names, short_id="a1b2c3d4")


def text(source: str, names: Mapping[str, Any] = NAMES) -> str:
    """Render to plain text, without the reference."""
    return render(source, Form.SMS, names).body


# The template of a real rule


NO_SHOW = {
    Form.CHAT: """\
**Ann Lee** did not come to Bellevue.

- Invoice: **13024**
- Status: NoShow
- Booked for: Thu, Jul 25, 9:15 AM
- Fee: $1,250.50

Please charge or waive it: [open the invoice](https://example.com/invoices/13024)

Ref a1b2c3d4""",
    Form.SMS: "No-show Ann Lee, invoice 13024, 9:15 AM",
    Form.JSON: """\
Ann Lee did not come to Bellevue.

- Invoice: 13024
- Status: NoShow
- Booked for: Thu, Jul 25, 9:15 AM
- Fee: $1,250.50

Please charge or waive it: open the invoice (https://example.com/invoices/13024)

Ref a1b2c3d4""",
}


@pytest.mark.parametrize(("form", "body"), NO_SHOW.items())
def test_a_template_is_written_in_each_form(form: Form, body: str) -> None:
    assert TEMPLATES.message("no_show_fee.j2").render(form, NAMES, short_id="a1b2c3d4") == Message(
        # An SMS of its own words has no title: it would only lengthen it.
        title="" if form is Form.SMS else "No-show fee: invoice 13024",
        body=body,
        form=form,
    )


def test_a_template_may_extend_include_and_import() -> None:
    message = TEMPLATES.message("child.j2").render(Form.CHAT, named("*Ann*"), short_id="a1b2c3d4")
    assert message.title == "Bellevue"
    assert (
        " ".join(message.body.split())
        == r"Hello \*Ann\*! Invoice: **13024** **\*Ann\*** Sent for Bellevue Ref a1b2c3d4"
    )


@pytest.mark.parametrize(
    "source",
    [
        '{% from "macros.j2" import who %}{{ who() }}',
        '{% from "macros.j2" import who as whom %}{{ whom() }}',
        '{% from "macros.j2" import who without context %}{{ who() }}',
        '{% import "macros.j2" as macros %}{{ macros.who() }}',
        '{% from "macros.j2" import who %}{% block body %}{{ who() }}{% endblock %}',
        '{% block body %}{% from "macros.j2" import who with context %}{{ who() }}{% endblock %}',
        '{% extends "base.j2" %}{% from "macros.j2" import who %}{% block body %}{{ who() }}{% endblock %}',
        '{% include "part.j2" %}',
    ],
)
def test_an_imported_macro_has_the_names_of_the_message(source: str) -> None:
    files = {
        "macros.j2": "{% macro who() %}{{ guest.name }} {{ data.invoice_number }}{% endmacro %}",
        "base.j2": "{% block title %}x{% endblock %}{% block body %}{% endblock %}",
        "part.j2": '{% from "macros.j2" import who %}{{ who() }}',
    }
    templates = Templates({**files, "t.j2": source}, time_zone="UTC", locale="en-US", known=MESSAGE_NAMES)
    assert templates.problems() == []
    body = templates.message("t.j2").render(Form.SMS, NAMES, short_id="a1b2c3d4").body
    assert "Ann Lee 13024" in " ".join(body.split())


def test_names_that_are_made_on_demand_reach_an_included_template() -> None:
    class OnDemand(dict[str, Any]):
        def __missing__(self, name: str) -> Any:
            return NAMES[name]

    source = '{% set x = 1 %}{% with y = 2 %}{% include "footer.j2" %}{% endwith %}'
    assert text(source, OnDemand()) == "Sent for Bellevue"


def test_messages_are_rendered_in_many_threads_at_once() -> None:
    template = TEMPLATES.inline(
        "{% for i in range(5000) %}{% endfor %}{{ guest.name }} {{ event.at|local }}", "title"
    )

    def body(guest: str) -> str:
        return template.render(Form.SMS, named(guest), short_id="a").body

    guests = [f"Guest {number}" for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(body, guests)) == [f"{guest} Thu, Jul 25, 9:15 AM" for guest in guests]


def test_an_error_names_the_template_and_the_line_it_is_in() -> None:
    with pytest.raises(MessageError) as error:
        TEMPLATES.message("uses_broken_footer.j2").render(Form.JSON, NAMES, short_id="a1b2c3d4")
    assert str(error.value) == "broken_footer.j2:3: no field `data.nobody`"
    assert error.value.__suppress_context__


@pytest.mark.parametrize(
    ("form", "body"),
    [(Form.CHAT, "C"), (Form.EMAIL, "E"), (Form.SMS, "S *x*"), (Form.JSON, "B")],
)
def test_a_form_takes_its_own_block(form: Form, body: str) -> None:
    blocks = "".join(
        f"{{% block {name} %}}{words}{{% endblock %}}"
        for name, words in {"body": "B", "chat": "C", "email": "E", "sms": "S *x*"}.items()
    )
    message = render(blocks, form)
    words = Tags(message.body).text.strip() if form is Form.EMAIL else message.body
    assert words.split("\n")[0] == body


def test_a_form_without_a_block_of_its_own_takes_the_body() -> None:
    for form in Form:
        assert (
            "Hello"
            in render("{% block title %}T{% endblock %}{% block body %}Hello{% endblock %}", form).body
        )


def test_without_blocks_all_is_the_body_and_the_title_is_the_rules_description() -> None:
    templates = Templates({"a.j2": "Hello {{ guest.name }}"}, time_zone="UTC", locale="en-US")
    message = templates.message("a.j2").render(Form.JSON, NAMES, short_id="a1b2c3d4")
    assert message == Message(
        title="The front desk charges or waives the fee", body="Hello Ann Lee\n\nRef a1b2c3d4", form=Form.JSON
    )
    assert templates.message("a.j2").render(Form.JSON, {"guest": {"name": "x"}}, short_id="a").title == ""


def test_the_title_of_an_inline_message_is_as_given() -> None:
    assert render("Hello", title="A *plain* title").title == "A *plain* title"


@pytest.mark.parametrize("form", [Form.CHAT, Form.JSON])
def test_a_message_ends_with_its_reference(form: Form) -> None:
    assert render("Hello", form).body == "Hello\n\nRef a1b2c3d4"


def test_lines_stay_lines_in_every_form() -> None:
    source = "one\ntwo\n\nthree"
    assert text(source) == source
    assert render(source, Form.CHAT).body.startswith(source)
    assert re.sub(r' style="[^"]*"', "", render(source, Form.EMAIL).body).count(
        "<p>one<br>\ntwo</p>\n<p>three</p>\n"
    )


def test_markdown_is_written_as_plain_text() -> None:
    source = """\
# Heading

**bold** *it* `code` [text](https://a.test/?b=1&c=2) <https://a.test> [x@y.test](mailto:x@y.test)

- one
- two
  - inner

1. first
2. second

> quoted

    indented

![picture](https://a.test/p.png)
"""
    assert (
        text(source)
        == """\
Heading

bold it code text (https://a.test/?b=1&c=2) https://a.test x@y.test

- one
- two
  - inner

1. first
2. second

quoted

indented

picture (https://a.test/p.png)"""
    )


# The cases of bad templates


LOAD = {
    "an unknown filter": ("{{ data|nope }}", 1, "unknown filter `nope`"),
    "an unknown filter with a near name": (
        "\n{{ data.x|locl }}",
        2,
        "unknown filter `locl`; did you mean `local`?",
    ),
    "the attr filter": ('{{ ""|attr("__class__") }}', 1, "unknown filter `attr`"),
    "globals through lipsum": (
        "{{ lipsum.__globals__ }}",
        1,
        "`lipsum.__globals__` cannot be used: names that begin with `_` are private",
    ),
    "include with ..": (
        '{% include "../footer.j2" %}',
        1,
        "no template `../footer.j2`; did you mean `footer.j2`?",
    ),
    "include of what is not there": ('{% include "/etc/passwd" %}', 1, "no template `/etc/passwd`"),
    "include of a value": (
        "{% include data.x %}",
        1,
        '`include` needs the name of one template in quotes, e.g. {% include "header.j2" %}',
    ),
    "include of one of several": (
        '{% include ["footer.j2", "x.j2"] ignore missing %}',
        1,
        '`include` needs the name of one template in quotes, e.g. {% include "header.j2" %}',
    ),
    "include of a message": (
        'a\n{% include "base.j2" %}',
        2,
        "`base.j2` cannot be included, for it has blocks",
    ),
    "extends of no message": (
        '{% extends "footer.j2" %}{% block body %}{% endblock %}',
        1,
        "`footer.j2` cannot be extended, for it has no blocks",
    ),
    "extends inside": (
        '{% if data.x %}{% extends "base.j2" %}{% endif %}{% block body %}a{% endblock %}',
        1,
        "`extends` stands inside something else; move it to the top level",
    ),
    "autoescape off": (
        "{% autoescape false %}{{ data.x }}{% endautoescape %}",
        1,
        "`autoescape` cannot be used: values are always escaped for where they go; `| safe` is the way out",
    ),
    "5 MB": ("a" * 5_000_000, 0, "is too large: at most 64 KiB, this has 4882 KiB"),
    "an unknown block": (
        "{% block body %}a{% endblock %}\n{% block titel %}a{% endblock %}",
        2,
        "unknown block `titel`; did you mean `title`?",
    ),
    "an unknown block without a near name": (
        "{% block footer %}a{% endblock %}{% block body %}a{% endblock %}",
        1,
        "unknown block `footer`, expected title, body, sms, chat, email",
    ),
    "a block twice": (
        "{% block body %}a{% endblock %}{% block body %}a{% endblock %}",
        1,
        "block 'body' defined twice",
    ),
    "no body": ("\n{% block title %}a{% endblock %}", 2, "there is no block `body`"),
    "text beside the blocks": (
        "{% block title %}a{% endblock %}\n\nHello {% block body %}a{% endblock %}",
        3,
        "this stands outside of the blocks and goes nowhere; put it into `body`",
    ),
    "a value beside the blocks": (
        "{{ guest.name }}{% block body %}a{% endblock %}",
        1,
        "this stands outside of the blocks and goes nowhere; put it into `body`",
    ),
    "a block in a block": (
        "{% block body %}{% block sms %}a{% endblock %}{% endblock %}",
        1,
        "block `sms` stands inside something else; move it to the top level",
    ),
    "a tag not closed": (
        "{% if data.x %}a",
        1,
        "Unexpected end of template. Jinja was looking for the following tags: 'elif' or 'else' or 'endif'."
        " The innermost block that needs to be closed is 'if'",
    ),
    "a brace not closed": (
        "a\n{{ data.x",
        2,
        "unexpected end of template, expected 'end of print statement'",
    ),
    "int": ("{{ data.fee|int }}", 1, "unknown filter `int`; use `number`, which has no silent 0"),
}


@pytest.mark.parametrize(("source", "line", "message"), LOAD.values(), ids=LOAD)
def test_a_bad_template_is_refused_when_it_is_loaded(source: str, line: int, message: str) -> None:
    templates = Templates({**FILES, "bad.j2": source}, time_zone="UTC", locale="en-US")
    assert templates.problems() == [("bad.j2", line, message)]
    with pytest.raises(TemplateProblem) as problem:
        templates.message("bad.j2")
    assert (problem.value.line, problem.value.message) == (line, message)
    with pytest.raises(TemplateProblem):
        TEMPLATES.inline(source, "title")
    # A bad template harms only itself.
    assert templates.message("no_show_fee.j2").render(Form.SMS, NAMES, short_id="a").body


def test_all_problems_of_all_templates_are_shown_at_once() -> None:
    files = {
        "b.j2": "{{ data.x|nope }}\n{{ data.__y }}\n{{ data.x is nope }}",
        "a.j2": '{% include "c.j2" %}',
        "c.j2": '{% include "a.j2" %}',
        "self.j2": 'x\n{% include "self.j2" %}',
    }
    assert Templates(files, time_zone="UTC", locale="en-US").problems() == [
        ("a.j2", 1, "`a.j2` uses itself by way of `c.j2`"),
        ("b.j2", 1, "unknown filter `nope`"),
        ("b.j2", 2, "`data.__y` cannot be used: names that begin with `_` are private"),
        ("b.j2", 3, "unknown test `nope`; did you mean `none`?"),
        ("c.j2", 1, "`c.j2` uses itself by way of `a.j2`"),
        ("self.j2", 2, "`self.j2` uses itself by way of `self.j2`"),
    ]


def test_an_unknown_template_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        TEMPLATES.message("nope.j2")


def test_an_unknown_locale_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^unknown locale 'english', expected one like en-US$"):
        Templates({}, time_zone="UTC", locale="english")


RUN = {
    "a missing field": ("{{ data.guest.nope }}", "message:1: no field `data.guest.nope`"),
    "a missing field in a test": ("a\n\n{% if data.nope %}b{% endif %}", "message:3: no field `data.nope`"),
    "a missing field in a loop": ("{% for x in data.nope %}b{% endfor %}", "message:1: no field `data.nope`"),
    "a missing name": ("{{ geust.name }}", "message:1: no name `geust`; did you mean `guest`?"),
    "division by zero": ("{{ 1/0 }}", "message:1: divides by zero"),
    "range over the limit": (
        "{% for i in range(1000000000) %}x{% endfor %}",
        "message:1: makes a list of more than 10,000 elements",
    ),
    "string multiplication": (
        '{{ "x"*1000000000 }}',
        "message:1: makes a text of more than 65,536 characters",
    ),
    "list multiplication": (
        "{{ ([0]*100000000)|length }}",
        "message:1: makes a list of more than 10,000 elements",
    ),
    "recursive macro": (
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "message:1: calls macros or blocks more than 32 deep",
    ),
    "only white space": ("{% if false %}x{% endif %}\n ", "message:1: the message is empty"),
    "only what is invisible": ("{{ '\\u200b\\u0007' }}", "message:1: the message is empty"),
    "an empty block": (
        "{% block title %}T{% endblock %}\n{% block body %} {% endblock %}",
        "message:2: the message is empty",
    ),
    "not a number": (
        "{{ data.guest.first_name|number }}",
        "message:1: `data.guest.first_name | number`: not a number, but text",
    ),
    "no amount": (
        "{{ data.guest|money }}",
        "message:1: `data.guest | money`: not a number, but a group of fields",
    ),
    "no code": (
        "{{ data.fee|word }}",
        "message:1: `data.fee | word`: not a code of Zenoti's catalog, but text",
    ),
    "a loop over a number": ("{% for x in 3 %}{% endfor %}", "message:1: cannot loop over a number"),
    "too long": (
        "{% for x in range(2) %}" + "y" * 40_000 + "{% endfor %}",
        "message:1: makes a text of more than 65,536 characters",
    ),
}


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize(("source", "message"), RUN.values(), ids=RUN)
def test_an_error_of_a_template_is_one_sentence_with_its_line(source: str, message: str, form: Form) -> None:
    template = TEMPLATES.inline(source, "title")
    with pytest.raises(MessageError) as error:
        template.render(form, NAMES, short_id="a1b2c3d4")
    assert str(error.value) == message


RIGHT = {
    "a missing field with a default": ('{{ data.nope|default("-") }}', "-"),
    "a missing path with a default": ('{{ data.nope.deeper|default("-") }}', "-"),
    "null with a default": ('{{ data.note|default("-") }}', "-"),
    "defined": ("{% if data.nope is defined %}a{% else %}b{% endif %}", "b"),
    "a field named items": ("{{ data.items }}", "Facial, Massage"),
    "a date that is none": (
        '{{ "soon"|date("%Y") }} {{ data.note|date }}{{ data.guest|time }}',
        "soon first_name: Ann, last_name: Lee",
    ),
    "null": ("[{{ data.note }}]", "[]"),
    "true": ("{{ data.open }} {{ data.is_noshowfeerequired }}", "true Yes"),
    "a yes that is true": ("{% if data.is_noshowfeerequired %}a{% endif %}", "a"),
    "a code": ("{{ data.appointment_group_status }} {{ data.appointment_group_status|word }}", "-2 NoShow"),
    "an unknown code": ("{{ code|word }}", "7"),
    "a code of a table by hand": (
        '{{ 3|word("membership_status") }} {{ "-2"|word("appointment_group_status") }}',
        "Frozen NoShow",
    ),
    "a code that its table lacks": ('{{ 33|word("membership_status") }} {{ 0.5|word("gender") }}', "33 0.5"),
    "a time": ("{{ data.start_time }}", "2024-07-25T16:15:00"),
    "a time by the centre's clock": ("{{ data.start_time|local }}", "Thu, Jul 25, 9:15 AM"),
    "a time of the centre": ("{{ data.start_in_center|local }}", "Thu, Jul 25, 9:15 AM"),
    "a time with a zone by hand": ("{{ '2024-07-25T16:15:00'|local('utc') }}", "Thu, Jul 25, 9:15 AM"),
    "a centre's time by hand": ("{{ '2024-07-25T16:15:00'|local('center')|time }}", "4:15 PM"),
    "a time with an offset": ("{{ '2024-07-25T16:15:00Z'|local|time }}", "9:15 AM"),
    "no date": ("[{{ '0001-01-01T00:00:00'|local('utc') }}]", "[]"),
    "no time": ("{{ 'tomorrow'|local('utc')|date }}", "tomorrow"),
    "date": ("{{ data.start_time|date }}", "Thu, Jul 25, 2024"),
    "time": ("{{ data.start_time|time }}", "9:15 AM"),
    "patterns": (
        "{{ data.start_time|date('%A') }} {{ data.start_time|date('d MMMM') }} {{ event.at|time('HH:mm') }}",
        "Thursday 25 July 09:15",
    ),
    "a date without a time": ("{{ '2024-07-25'|date }}", "Thu, Jul 25, 2024"),
    "a moment": ("{{ event.at }}", "Thu, Jul 25, 9:15 AM"),
    "the end of time": ("{{ '9999-12-31T23:59:59Z'|date('%Y') }}", "9999"),
    "money": ("{{ data.fee|money }} {{ 12|money('EUR') }} {{ -1.5|money }}", "$1,250.50 €12.00 -$1.50"),
    "numbers": (
        "{{ data.fee|number + 1 }} {{ ' 7 '|number }} {{ '1e3'|number }} {{ 2.50|number }}",
        "1251.5 7 1000.0 2.5",
    ),
    "rounded": ("{{ 42.55|round }} {{ 42.55|round(1, 'floor') }} {{ 3|round }}", "43 42.5 3"),
    "texts": (
        '{{ "ann lee"|title }} {{ "a b c"|replace(" ", "-") }} {{ "one two three"|truncate(8) }}',
        "Ann Lee a-b-c one…",
    ),
    "a time is also a text": (
        "{{ data.start_time|truncate(5) }} {{ data.start_time|replace('T', ' ') }}",
        "2024… 2024-07-25 16:15:00",
    ),
    "lists": (
        '{{ data["items"]|map("upper")|sort(reverse=true)|join("/") }} {{ [3, 1]|min }}',
        "MASSAGE/FACIAL 1",
    ),
    "unique": ('{{ [1, 2, 1]|unique|join(" ") }} {{ [1, 2]|last }} {{ [1, 2]|first }}', "1 2 2 1"),
    "a placeholder": ("{{ unknown }}{% if unknown %}!{% endif %}", "a guest"),
    "set": ("{% set name %}{{ guest.name }}{% endset %}{{ name|length }} {{ name|upper }}", "7 ANN LEE"),
}


@pytest.mark.parametrize(("source", "wanted"), RIGHT.values(), ids=RIGHT)
def test_what_a_template_prints(source: str, wanted: str) -> None:
    names = {**NAMES, "code": Code(7, {1: "Active"}), "unknown": Placeholder("a guest")}
    assert text(source, names) == wanted


def test_times_and_amounts_follow_the_locale_and_the_centre() -> None:
    templates = Templates({}, time_zone="Europe/Berlin", locale="de-DE")
    names = {**NAMES, "center": {"name": "Berlin", "time_zone": None, "currency": "EUR"}}
    template = templates.inline("{{ data.start_time|local }} {{ data.fee|money }}", "title")
    assert template.render(Form.SMS, names, short_id="a").body == "Do., 25. Juli, 18:15 1.250,50 €"
    for zone in ("nowhere", "../etc", "America", 3):
        names["center"] = {"time_zone": zone}
        assert template.render(Form.SMS, names, short_id="a").body == "Do., 25. Juli, 18:15 1.250,50 $"


def test_a_time_has_only_blanks_that_an_sms_has() -> None:
    assert text("{{ event.at }} {{ event.at|time }} {{ 5|money('CHF') }}").isascii()


# Escaping


HOSTILE = [
    "<!channel>",
    "<!here> <!everyone> <!subteam^S123>",
    "<@U123>",
    "<#C123>",
    "<https://evil.test|Pay here>",
    "*_~`>|",
    "{{ 7*7 }}{% for x in y %}",
    "<script>alert(1)</script>",
    "<img src=https://evil.test/p.gif>",
    '<a href="javascript:alert(1)">x</a>',
    "[Pay here](https://evil.test)",
    "[Pay here](<https://evil.test>)",
    "![x](https://evil.test/p.gif)",
    "<https://evil.test>",
    "\\<!here|x\\>",
    "\\\\<!here>",
    "`<!here>`",
    "&lt;!channel&gt;",
    "x](https://evil.test)",
    "\U000f003c!channel\U000f003e",
    '"},{"admin":true',
    "a\n\n# b\n> c\n---\n- d\n===\n    e\n~~~\n```",
]
PLACES = {
    "alone": "{{ guest.name }}",
    "bold": "**Hi {{ guest.name }}**",
    "list": "- {{ guest.name }}\n- b",
    "heading": "# {{ guest.name }}",
    "quote": "> {{ guest.name }}",
    "code": "`{{ guest.name }}`",
    "fence": "```\n{{ guest.name }}\n```",
    "link text": "[{{ guest.name }}](https://a.test)",
    "link": "[x](https://a.test/{{ guest.name }})",
    "link title": '[x](https://a.test "{{ guest.name }}")',
    "after a backslash": "\\{{ guest.name }}",
    "macro": "{% macro m(x) %}*{{ x }}*{% endmacro %}{{ m(guest.name) }}",
    "set": "{% set x %}{{ guest.name }}{% endset %}{{ x ~ guest.name }}{{ [x, guest.name]|join(guest.name) }}",
    "replaced": '{{ ("a"|safe)|replace("a", guest.name) }}',
}


class Slack:
    """Apprise's own Slack plugin, up to the request that it would send."""

    def __init__(self) -> None:
        url = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?footer=no&image=no"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Apprise loads all its plugins, old ones too
            plugin: Any = apprise.Apprise.instantiate(url)
        plugin.request_rate_per_sec = 0
        plugin._send = self._keep
        self.plugin = plugin
        self.payload: Any = None

    def _keep(self, url: str, payload: Any, **_: Any) -> dict[str, bool]:
        self.payload = payload
        return {"ok": True}

    def text(self, message: Message) -> str:
        title, body, body_format = for_chat(SERVICES["slack"], message)
        assert self.plugin.notify(body=body, title=title, body_format=body_format)
        [attachment] = self.payload["attachments"]
        return f"{attachment['title']}\n{attachment['text']}"


@pytest.fixture(scope="module")
def slack() -> Slack:
    return Slack()


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("guest", HOSTILE)
def test_a_guests_name_calls_nobody_and_links_nowhere_in_slack(slack: Slack, guest: str, place: str) -> None:
    shown = slack.text(render(place, Form.CHAT, named(guest), title=guest))
    shown = re.sub(r"<https://a\.test[^|<>]*\|([^<>]*)>", r"\1", shown)  # the template's own link
    assert "<" not in shown
    assert ">" not in shown.replace("\n> ", "\n")  # the template's own quote


def test_what_a_name_looks_like_in_slack(slack: Slack) -> None:
    def shown(guest: str) -> str:
        return slack.text(render("**Hi** {{ guest.name }}", Form.CHAT, named(guest))).split("\n")[1]

    assert shown("Ann (206) 555-0100 #1 AT&T x.y!") == "*Hi* Ann (206) 555-0100 #1 AT&amp;T x.y!"
    assert shown("<!channel>") == "*Hi* &lt;!channel&gt;"
    assert shown("<https://evil.test|Pay here>") == "*Hi* &lt;https://evil.test|Pay here&gt;"
    assert shown("*_~`>|") == "*Hi* ∗_∼'&gt;|"
    assert shown("{{ 7*7 }}") == "*Hi* {{ 7∗7 }}"
    assert shown("<@U123>") == "*Hi* &lt;@\u200bU123&gt;"


def test_an_address_in_a_link_stays_as_it_is(slack: Slack) -> None:
    names = {**NAMES, "ack_url": "https://a.test/ack/(x)_y*z!#part?a=1&b=2@3"}
    for source in ("[Acknowledge]({{ ack_url }})", "<{{ ack_url }}>"):
        shown = slack.text(render(source, Form.CHAT, names))
        assert "<https://a.test/ack/(x)_y*z!#part?a=1&amp;b=2@3" in shown
        assert (
            'href="https://a.test/ack/(x)_y*z!#part?a=1&amp;b=2@3"' in render(source, Form.EMAIL, names).body
        )


@pytest.mark.parametrize(
    "guest", ["@everyone", "@here", "<@123>", "x @channel", "a@everyone", "@ALL", "\U000f0040here"]
)
def test_a_guests_name_calls_nobody_in_other_chats(guest: str) -> None:
    message = render("{{ guest.name }}", Form.CHAT, named(guest), title=guest)
    for shown in (message.title, message.body):
        assert re.search(r"@(?!\u200b)", shown) is None


def test_an_email_address_can_be_copied_from_a_chat() -> None:
    assert (
        "ann.lee+x@example.com" in render("{{ guest.name }}", Form.CHAT, named("ann.lee+x@example.com")).body
    )


@pytest.mark.parametrize("guest", ["<!channel>", "@everyone"])
def test_safe_is_the_way_out(guest: str) -> None:
    assert render("{{ guest.name|safe }}", Form.CHAT, named(guest)).body.startswith(guest)


class Tags(HTMLParser):
    """What a mail program would see inside of the frame that every mail has."""

    _FRAME = ("html", "head", "meta", "title", "body", "table", "tr", "td")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, str]] = []
        self.text = ""
        self._is_title = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_title = tag == "title"
        if tag not in self._FRAME:
            self.tags.append((tag, " ".join(f"{name}={value}" for name, value in attrs if name != "style")))

    def handle_endtag(self, tag: str) -> None:
        self._is_title = False

    def handle_data(self, data: str) -> None:
        if not self._is_title:
            self.text += data


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("guest", HOSTILE)
def test_a_guests_name_is_only_text_in_mail(guest: str, place: str) -> None:
    plain = Tags(render(place, Form.EMAIL, named("Ann")).body)
    hostile = Tags(render(place, Form.EMAIL, named(guest)).body)
    wanted = {tag for tag, _ in plain.tags} | {"br"}
    if place == PLACES["heading"]:
        wanted |= {"p"}  # a name of several lines ends a heading
    assert {tag for tag, _ in hostile.tags} <= wanted
    for _, attributes in hostile.tags:
        assert not attributes or attributes.startswith("href=https://a.test")


def test_a_name_is_shown_in_mail_as_it_is() -> None:
    for guest in (name for name in HOSTILE if "\n" not in name and "\U000f003c" not in name):
        for place in ("{{ guest.name }}", "`{{ guest.name }}`", "**{{ guest.name }}**"):
            assert Tags(render(place, Form.EMAIL, named(guest)).body).text.strip().startswith(guest)


@pytest.mark.parametrize("form", [Form.SMS, Form.JSON])
@pytest.mark.parametrize(
    "place", ["{{ guest.name }}", "`{{ guest.name }}`", "**{{ guest.name }}**", "- {{ guest.name }}"]
)
def test_a_name_is_shown_in_plain_text_as_it_is(place: str, form: Form) -> None:
    for guest in (name for name in HOSTILE if "\n" not in name and "\U000f003c" not in name):
        body = render(place, form, named(guest)).body
        assert body.removeprefix("- ").split("\n")[0] == guest


def test_a_value_cannot_make_a_link_that_runs() -> None:
    for address in (
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
    ):
        body = render("[x]({{ guest.name }})", Form.EMAIL, named(address)).body
        assert "<a" not in body


@given(st.text(st.characters(exclude_categories=["Co"]), max_size=40), st.sampled_from(list(PLACES.values())))
def test_no_name_at_all_makes_a_tag_or_an_error(guest: str, place: str) -> None:
    names = named(f"x{guest}")
    page = render(place, Form.EMAIL, names).body
    assert {tag for tag, _ in Tags(page).tags} <= {
        "p",
        "br",
        "strong",
        "em",
        "ul",
        "li",
        "h1",
        "blockquote",
        "code",
        "pre",
        "a",
    }
    for form in Form:
        message = render(place, form, names, title=guest)
        message.body.encode()
        assert len(message.title.splitlines()) <= 1
        assert re.search("[\U000f0000-\U000f007f]", message.title + html.unescape(message.body)) is None


@given(st.text(alphabet="<>!@#|*_~`\\[]() \nab&;", max_size=30))
def test_no_name_at_all_makes_a_mention_in_slack(guest: str) -> None:
    shown = Slack().text(render("**Hi** x{{ guest.name }}, bye", Form.CHAT, named(guest), title=guest))
    assert "<" not in shown
    assert ">" not in shown


TITLES = {
    "lines": ("a\nb\rc\r\nd", "a b c d"),
    "a header": ("a\r\nBcc: x@evil.test", "a Bcc: x@evil.test"),
    "other line ends": ("a\u2028b\u0085c\x00d\u2029e\x0bf", "a b c d e f"),
    "long": ("x" * 5000, "x" * 249 + "…"),
    "markup": ("*a* <b> [c](d) `e` \\f", "*a* <b> [c](d) `e` \\f"),
    "marks": ("Z" + "\u0300" * 300, "Z\u0300\u0300"),
    "turned round": ("a\u202egpj.exe", "agpj.exe"),
}


@pytest.mark.parametrize("form", [Form.EMAIL, Form.JSON])
@pytest.mark.parametrize(("guest", "title"), TITLES.values(), ids=TITLES)
def test_a_title_is_one_line_of_plain_text(guest: str, title: str, form: Form) -> None:
    source = "{% block title %}\n{{ guest.name }}\n{% endblock %}{% block body %}b{% endblock %}"
    assert render(source, form, named(guest)).title == title
    assert render("b", form, title=guest).title == title


def test_a_title_of_two_lines_becomes_one() -> None:
    assert (
        render("{% block title %}Hello\nWorld{% endblock %}{% block body %}b{% endblock %}").title
        == "Hello World"
    )


@pytest.mark.parametrize("form", Form)
def test_marks_heaped_on_a_letter_are_cut_to_two(form: Form) -> None:
    body = render("{{ guest.name }}", form, named("Z" + "\u0300" * 500 + "a")).body
    assert "Z\u0300\u0300a" in body
    assert body.count("\u0300") == 2


@pytest.mark.parametrize("form", Form)
def test_what_cannot_be_printed_is_dropped(form: Form) -> None:
    body = render("{{ guest.name }}", form, named("a\x00\x1bb\u200b\u202ec\ufeff\ud800d")).body
    assert "abcd" in body
    body.encode()


def test_names_of_all_scripts_stay_as_they_are() -> None:
    for guest in ("José Ñandú", "Анна", "安娜", "อันนา", "अन्ना क्षि", "آنا", "👩‍👩‍👧 ❤️", "Việt"):
        assert text("{{ guest.name }}", named(guest)) == guest


def test_a_long_value_is_sent_whole_up_to_the_limit() -> None:
    assert text("{{ guest.name }}", named("From x\n" + "y" * 50_000)) == "From x\n" + "y" * 50_000


# The plain message


def test_the_fallback_has_the_facts_and_names_the_problem() -> None:
    message = fallback(
        Form.JSON, NAMES, short_id="a1b2c3d4", problem="no_show.j2:7: no field `data.x`", title="No show"
    )
    assert message == Message(
        title="No show",
        form=Form.JSON,
        body="""\
AppointmentGroup.Status, Thu, Jul 25, 9:15 AM, Bellevue
invoice_number: 13024
appointment_group_status: NoShow
is_noshowfeerequired: Yes
start_time: Thu, Jul 25, 9:15 AM
start_in_center: Thu, Jul 25, 9:15 AM
fee: 1250.50
open: yes

This is the plain form of the message: its template failed at no_show.j2:7: no field `data.x`

Ref a1b2c3d4""",
    )


@pytest.mark.parametrize("form", Form)
def test_the_fallback_is_escaped_like_any_message(form: Form, slack: Slack) -> None:
    names = {**NAMES, "data": {"note": "<!channel> <script>"}, "center": {"name": "<b>"}}
    message = fallback(form, names, short_id="a1b2c3d4", problem="x.j2:1: bad", title="<!here>")
    if form is Form.CHAT:
        assert "<" not in slack.text(message)
    if form is Form.EMAIL:
        assert {tag for tag, _ in Tags(message.body).tags} == {"p", "br"}


def test_the_fallback_shows_ids_only_where_there_is_nothing_else() -> None:
    data = {"guest_id": "7f7f7bc0-813a-4a24-b518-b8bc67b63de6", "id": 3, "token": "62399ceda961750e01dd99f6"}
    body = fallback(Form.JSON, {"data": data}, short_id="a", problem="x.j2:1: bad", title="T").body
    assert "guest_id: 7f7f7bc0-813a-4a24-b518-b8bc67b63de6" in body
    body = fallback(
        Form.JSON, {"data": {**data, "fee": 3}}, short_id="a", problem="x.j2:1: bad", title="T"
    ).body
    assert "id:" not in body
    assert "token:" not in body
    assert "fee: 3" in body


def test_the_fallback_shows_at_most_twelve_short_fields() -> None:
    data = {f"f{number}": "x" for number in range(50)} | {"long": "x" * 81, "list": [1], "none": None}
    body = fallback(Form.JSON, {"data": data}, short_id="a", problem="x.j2:1: bad", title="T").body
    assert body.count(": x\n") == 12


def test_the_fallback_says_the_local_time() -> None:
    body = messages.fallback(
        Form.JSON,
        {"event": NAMES["event"]},
        short_id="a",
        problem="x",
        title="T",
        time_zone="America/Los_Angeles",
        locale="en-US",
    ).body
    assert body.startswith("AppointmentGroup.Status, Thu, Jul 25, 9:15 AM\n")


def test_the_next_message_says_how_many_were_held_back() -> None:
    message = Templates({}, time_zone="UTC", locale="en-US").inline("text", "Title")
    body = message.render(Form.JSON, {**NAMES, "held_back": 2}, short_id="a1b2c3d4").body
    assert body == "text\n\n2 more like this were held back since the last message.\n\nRef a1b2c3d4"


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.datetimes()
    | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from(["event", "data", "center", "guest"]), ANYTHING),
    st.sampled_from(list(Form)),
)
def test_the_fallback_never_fails(names: dict[str, Any], form: Form) -> None:
    assert fallback(form, names, short_id="a1b2c3d4", problem="x.j2:1: bad", title="T").body


@given(ANYTHING)
def test_no_value_leads_to_another_error_than_a_message_error(value: Any) -> None:
    filters = (
        "date",
        "time",
        "local('utc')",
        "title",
        "default(1)",
        "money",
        "number",
        "sort",
        "length",
        "join",
    )
    for part in ("guest", "guest.x", "guest[0]", *(f"guest|{name}" for name in filters)):
        said = ""
        try:
            render(f"x{{{{ {part} }}}}", Form.EMAIL, {"guest": value, "center": {"time_zone": "UTC"}})
        except MessageError as error:
            said = str(error)
        assert "cannot be evaluated" not in said
