"""The sandbox: what a template may touch, and that nothing in it can hang the daemon or eat its memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from zennotify.core.model import Form, Room
from zennotify.errors import ExpressionError, MessageError
from zennotify.message import TemplateProblem, Templates, compile_expression

TEMPLATES = Templates({}, time_zone="UTC", locale="en-US")
# tracemalloc makes a test several times slower; a bomb that goes off takes minutes or gigabytes.
MOST_SECONDS = 10.0
MOST_BYTES = 64 * 2**20

NAMES: Mapping[str, Any] = {
    "event": {"at": datetime(2024, 7, 25, 16, 15, tzinfo=UTC)},
    "data": {
        "big": "x" * 60_000,
        "list": list(range(20_000)),
        "deep": [[number, [number]] for number in range(5_000)],
        "fee": "25.00",
        "items": ["a", "b"],
        "nothing": None,
    },
}

STEPS = "takes more than 100,000 steps"
TEXT = "makes a text of more than 65,536 characters"
LIST = "makes a list of more than 10,000 elements"
PRINTED = "prints more than 262,144 characters"
DEEP = "is nested too deeply"
PRIVATE = "cannot be used: names that begin with `_` are private"


def doubling(last: str) -> str:
    """A macro that makes a tree with 2**30 leaves out of 30 lists, and then does something with it."""
    call = "{{ m([x, x], n - 1) }}"
    return f"{{% macro m(x, n) %}}{{% if n %}}{call}{{% else %}}{last}{{% endif %}}{{% endmacro %}}{{{{ m('a', 30) }}}}"


def loop(body: str) -> str:
    return f"{{% for i in range(10000) %}}{body}{{% endfor %}}"


@contextmanager
def bounded() -> Iterator[None]:
    tracemalloc.start()
    started = time.perf_counter()
    try:
        yield
        assert time.perf_counter() - started < MOST_SECONDS
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


def outcome(source: str) -> str:
    """Compile and render, as the daemon does; return what went wrong, or the body."""
    try:
        template = TEMPLATES.inline(source, "title")
    except TemplateProblem as problem:
        return f"load: {problem}"
    try:
        return template.render(Form.SMS, NAMES, short_id="a1b2c3d4").body
    except MessageError as error:
        return str(error)


AT_ONCE = {
    "power": ("{{ 9**(9**9) }}", "a number is too large"),
    "product": ("{{ 2**200 * 2**200 }}", "a number is too large"),
    "float power": ("{{ 1.5**99999 }}", "a number is too large"),
    "complex": ("{{ (0 - 8)**0.5 }}", "cannot use `**` with these numbers"),
    "long text": ('{{ "x"*10**9 }}', TEXT),
    "long list": ("{{ ([0]*10**8)|length }}", LIST),
    "center": ('{{ "a".center(10**9) }}', "no field `'a'.center` (`'a'` is text)"),
    "percent": ("{{ '%1000000000d' % 1 }}", "cannot use `%` with text and a number"),
    "huge range": ("{{ range(10**30)|length }}", LIST),
    "range of a text": ("{{ range(data.big) }}", "`range` takes whole numbers"),
    "round": (
        "{{ 1|round(-1000000000) }}",
        "`1 | round`: it takes a number, 0 to 12 places, and 'common', 'ceil' or 'floor'",
    ),
    "replace": ('{{ data.big|replace("x", data.big) }}', TEXT),
    "join": ("{{ data.list|join(data.big) }}", TEXT),
    "doubling text": ("{% set x = data.big %}" + "{% set x = x ~ x %}" * 40 + "{{ x }}", TEXT),
    "doubling set": ("{% set x %}ab{% endset %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 60, TEXT),
    "doubling sum": ("{% set x = data.big %}" + "{% set x = x + x %}" * 40 + "{{ x }}", TEXT),
    "constant text in a loop": ("{% set x %}" + loop("y" * 50_000) + "{% endset %}", TEXT),
    "much printed": (loop("{{ data.big }}"), PRINTED),
    "nested loops": ("{% for a in range(3000) %}{% for b in range(3000) %}{% endfor %}{% endfor %}", STEPS),
    "filtered loops": (loop(loop("").replace("%}", " if false %}", 1)), STEPS),
    "long body": (loop("{% if data.fee %}{% endif %}" * 500), STEPS),
    "calls": (
        "{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(30) }}",
        STEPS,
    ),
    "sort in a loop": (loop("{{ data.list|sort|length }}"), STEPS),
    "in, in a loop": (loop('{% if "y" in data.big %}{% endif %}'), STEPS),
    "equal, in a loop": (loop("{% if data.deep == data.list %}{% endif %}"), STEPS),
    "times in a loop": (loop("{% set x = event.at|date %}" * 20), STEPS),
    "tree compared": (doubling("{{ x == [x] }}"), STEPS),
    "tree tested": (doubling("{{ x is eq(x) }}"), STEPS),
    "tree printed": (doubling("{{ x }}"), STEPS),
    "tree as text": (doubling("{{ x|string|length }}"), STEPS),
    "tree hashed": (doubling("{{ [x]|unique|list|length }}"), STEPS),
    "tree looked up": (
        doubling("{{ data[x] }}").replace("[x, x]", "(x, x)"),
        "[...] needs a name or a number, not a list",
    ),
    "recursion": (
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "calls macros or blocks more than 32 deep",
    ),
    "own block": (
        "{% block body %}{{ self.body() }}{% endblock %}",
        "calls macros or blocks more than 32 deep",
    ),
}


@pytest.mark.parametrize(("source", "message"), AT_ONCE.values(), ids=AT_ONCE)
def test_a_bomb_is_stopped_when_the_message_is_rendered(source: str, message: str) -> None:
    with bounded():
        assert outcome(source) == f"message:1: {message}"


#: A pattern that looks for the end of a run anew at each of its characters would take half a minute for each of these.
RUNS = {
    "blanks": ". {{ data.note }}",
    "blanks of two kinds": ". {{ data.tabs }}",
    "blanks that a template joins": "{% set x = data.note ~ 'x' %}{{ x }}",
}


@pytest.mark.parametrize("source", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("form", Form)
def test_a_long_run_of_one_character_costs_no_more_than_other_text(form: Form, source: str) -> None:
    template = TEMPLATES.inline(source, "title")
    data = {"note": "." + " " * 60_000 + "x", "tabs": "." + " \t" * 30_000 + "x"}
    with bounded():
        body = template.render(form, {"data": data}, short_id="a1b2c3d4", room=Room(body=2000)).body
    assert body


def test_what_is_too_much_to_print_is_refused_before_it_is_worked_on() -> None:
    template = TEMPLATES.inline("{% set x %}{{ data.note }}{% endset %}", "title")
    with bounded(), pytest.raises(MessageError, match=PRINTED):
        template.render(Form.SMS, {"data": {"note": "\n" * 40_000_000}}, short_id="a1b2c3d4")


AT_LOAD = {
    "format filter": (
        "{{ '%1000000000d'|format(1) }}",
        "unknown filter `format`; join texts with `~`, and use `number`, `money`, `date` or `time`",
    ),
    "brackets": ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", DEEP),
    "lists": ("{{ " + "[" * 3000 + "]" * 3000 + " }}", DEEP),
    "not": ("{{ " + "not " * 5000 + "1 }}", DEEP),
    "minus": ("{{ " + "-" * 5000 + "1 }}", DEEP),
    "fields": ("{{ a" + ".b" * 5000 + " }}", DEEP),
    "private fields": ("{{ a" + "._b" * 5000 + " }}", DEEP),
    "elements": ("{{ a" + "[0]" * 5000 + " }}", DEEP),
    "filters": ("{{ a" + "|upper" * 5000 + " }}", DEEP),
    "sums": ("{{ 1" + "+1" * 5000 + " }}", DEEP),
    "ifs": ("{% if 1 %}" * 3000 + "{% endif %}" * 3000, DEEP),
    "loops": ("{% for a in [1] %}" * 30 + "{% endfor %}" * 30, DEEP),
    "joined": ("{{ 1" + "~1" * 15_000 + " }}", "has more than 5,000 parts"),
    "digits": ("{{ " + "9" * 5000 + " }}", "a number or a text in it cannot be read"),
    "infinity": ("{{ 1e999 }}", "a number is too large"),
    "recursive loop": (
        "{% for i in data.list recursive %}{{ loop(data.list) }}{% endfor %}",
        "`recursive` loops cannot be used",
    ),
    "large": ("a" * 65_537, "is too large: at most 64 KiB, this has 64 KiB"),
}


@pytest.mark.parametrize(("source", "message"), AT_LOAD.values(), ids=AT_LOAD)
def test_a_bomb_is_refused_when_it_is_compiled(source: str, message: str) -> None:
    with bounded():
        assert outcome(source) == f"load: {message}"


EXPRESSIONS = {
    "power": ("9**(9**9)", "a number is too large"),
    "long text": ('"x"*10**9', TEXT),
    "long list": ("[0]*10**8", LIST),
    "center": ('"a".center(10**9)', "no field `'a'.center` (`'a'` is text)"),
    "huge range": ("range(10**9)|list", LIST),
    "large sort": ("(data.list + data.list)|sort", LIST),
}


@pytest.mark.parametrize(("source", "message"), EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_a_bomb_in_an_expression_compiles_at_once_and_is_an_error_when_it_runs(
    source: str, message: str
) -> None:
    with bounded():
        expression = compile_expression(source)
        with pytest.raises(ExpressionError) as error:
            expression(NAMES)
    assert str(error.value) == message


def test_the_largest_template_compiles_in_bounded_time() -> None:
    with bounded():
        TEMPLATES.inline("{{ a }}" * 4_900, "title")


FORBIDDEN = {
    "class": ("{{ ''.__class__ }}", f"load: `''.__class__` {PRIVATE}"),
    "class of a field": ("{{ data.items.__class__ }}", f"load: `data.items.__class__` {PRIVATE}"),
    "class as item": (
        '{{ data.fee["__class__"] }}',
        'message:1: no field `data.fee["__class__"]` (`data.fee` is text)',
    ),
    "globals of lipsum": ("{{ lipsum.__globals__ }}", f"load: `lipsum.__globals__` {PRIVATE}"),
    "lipsum": ("{{ lipsum() }}", "message:1: no name `lipsum`"),
    "cycler": ("{{ cycler('a') }}", "message:1: no name `cycler`"),
    "joiner": ("{{ joiner() }}", "message:1: no name `joiner`"),
    "namespace": ("{{ namespace() }}", "message:1: no name `namespace`"),
    "dict": ("{{ dict(a=1) }}", "message:1: no name `dict`"),
    "attr": ('{{ ""|attr("__class__") }}', "load: unknown filter `attr`"),
    "map attribute": (
        '{{ [data]|map(attribute="__class__")|list }}',
        "message:1: no field `__class__` in an element of the list",
    ),
    "map any filter": ("{{ data.items|map(data.fee) }}", "load: `map` needs the name of a filter in quotes"),
    "map our filter": ('{{ data.items|map("\\0loop") }}', "load: unknown filter `\0loop`"),
    "map unknown": ('{{ data.items|map("upperr") }}', "load: unknown filter `upperr`; did you mean `upper`?"),
    "select unknown": ('{{ data.items|select("foo") }}', "load: unknown test `foo`"),
    "selectattr field": (
        "{{ data.items|selectattr(data.fee) }}",
        "load: `selectattr` needs the name of a field in quotes",
    ),
    "sort by": (
        '{{ data.items|sort(true, true, "a") }}',
        "load: `sort` takes the name of a field as `attribute=...`",
    ),
    "attribute of data": (
        "{{ data.items|sort(attribute=data.fee) }}",
        "load: `attribute=` needs the name of a field in quotes",
    ),
    "self": ("{{ self._TemplateReference__context }}", f"load: `self._TemplateReference__context` {PRIVATE}"),
    "macro": (
        "{% macro m() %}{% endmacro %}{{ m.name }}",
        "message:1: no field `m.name` (`m` is something else)",
    ),
    "macro printed": (
        "{% macro m() %}{% endmacro %}{{ m }}",
        "message:1: cannot print something else; a macro is called with ()",
    ),
    "loop": ("{% for i in [1] %}{{ loop._iterator }}{% endfor %}", f"load: `loop._iterator` {PRIVATE}"),
    "loop attribute": (
        "{% for i in [1] %}{{ loop.depth }}{% endfor %}",
        "message:1: no field `loop.depth` (`loop` is something else)",
    ),
    "list method": (
        "{{ data.items.append(1) }}",
        "message:1: no field `data.items.append` (`data.items` is a list)",
    ),
    "text method": (
        "{{ data.fee.upper() }}",
        "message:1: no field `data.fee.upper` (`data.fee` is text); a filter is written `| upper`",
    ),
    "field called": (
        "{{ data.items() }}",
        "message:1: cannot call a list; only macros, blocks and `range` are called with ()",
    ),
    "arguments": ("{{ range(*data.items) }}", "load: `*` and `**` cannot be used in arguments"),
    "hidden argument": ("{{ 1|abs(_of='x') }}", f"load: `_of=` {PRIVATE}"),
    "set attribute": ("{% set data.x = 1 %}", "load: cannot set `data.x`: only whole names can be set"),
    "autoescape": (
        "{% autoescape false %}{{ data.fee }}{% endautoescape %}",
        "load: `autoescape` cannot be used: values are always escaped for where they go; `| safe` is the way out",
    ),
    "keys of an object": ("{{ {data.items: 1} }}", "load: the names in {...} are to be written in quotes"),
    "unknown tag": ("{% do data.clear() %}", "load: Encountered unknown tag 'do'"),
    "unknown test": ("{{ 1 is sameas(1) }}", "load: unknown test `sameas`"),
}


@pytest.mark.parametrize(("source", "message"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_only_what_is_listed_can_be_touched(source: str, message: str) -> None:
    assert outcome(source) == message


ALLOWED = {
    "field before method": ("{{ data.items|length }}", "2"),
    "field named like a method": ("{% for item in data.items %}{{ item }}{% endfor %}", "ab"),
    "starts with": ('{{ data.fee.startswith("25") }} {{ data.fee.endswith("1") }}', "true false"),
    "loop": (
        '{% for x in data.items %}{{ loop.index }}{{ loop.cycle("-", "+") }}{{ loop.length }} {% endfor %}',
        "1-2 2+2",
    ),
    "time": ("{{ event.at.hour }}", "16"),
    "text joined": ('{{ data.fee ~ "/" ~ 2 }} {{ "a" + "b" }} {{ "-" * 3 }}', "25.00/2 ab ---"),
    "numbers": ("{{ 7 // 2 }} {{ 7 % 2 }} {{ 7 / 2 }} {{ 2**10 }} {{ -3|abs }}", "3 1 3.5 1024 3"),
    "slices": ("{{ data.fee[:2] }} {{ data.items[::-1] }} {{ data.items[-1] }}", "25 b, a b"),
    "null is an empty list": ("{% for x in data.nothing %}x{% else %}none{% endfor %}", "none"),
    "null prints as nothing": ("[{{ data.nothing }}{{ data.nothing|upper }}{{ data.nothing|money }}]", "[]"),
    "raw": ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
    "caller": ("{% macro m() %}({{ caller() }}){% endmacro %}{% call m() %}a{% endcall %}", "(a)"),
    "filter block": ("{% filter upper %}a{{ data.items[1] }}{% endfilter %}", "AB"),
}


@pytest.mark.parametrize(("source", "text"), ALLOWED.values(), ids=ALLOWED)
def test_what_templates_need_works(source: str, text: str) -> None:
    assert outcome(source) == text


def test_a_run_has_its_steps_for_itself() -> None:
    template = TEMPLATES.inline("{% for i in range(9000) %}{% endfor %}ok", "title")
    for _ in range(30):
        assert template.render(Form.SMS, NAMES, short_id="a1b2c3d4").body == "ok"
