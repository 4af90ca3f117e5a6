from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from zennotify import yamlfile
from zennotify.errors import ConfigError
from zennotify.spelling import did_you_mean
from zennotify.yamlfile import load, parse_duration

Load = Callable[[bytes, str], yamlfile.Document]


def without_c_parser() -> ModuleType:
    """Load the module once more, as on a machine whose PyYAML was built without libyaml."""
    spec = importlib.util.spec_from_file_location("yamlfile_in_python", yamlfile.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(yaml, "CSafeLoader")
        patch.setitem(sys.modules, spec.name, module)  # its dataclasses look for it there
        spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["c", "python"], scope="module")
def reader(request: pytest.FixtureRequest) -> Load:
    return load if request.param == "c" else without_c_parser().load


def value(text: str) -> Any:
    return load(text.encode(), "f").value


def problems(text: str | bytes, read: Load = load) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text if isinstance(text, bytes) else text.encode(), "f")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("22:00", "22:00"),
        ("0123", "0123"),
        ("007.5", "007.5"),
        ("+12065550100", "+12065550100"),
        ("1_000", "1_000"),
        ("2024-07-25", "2024-07-25"),
        ("2024-07-25T16:00:00Z", "2024-07-25T16:00:00Z"),
        ("=", "="),
        ("-", ["-"]),
        ("0", 0),
        ("-12", -12),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.50", 1.5),
        ("-.5", -0.5),
        ("1e3", 1000.0),
        (".inf", float("inf")),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ('"12"', "12"),
        ("'true'", "true"),
        ("9" * 5000, "9" * 5000),
        ("!!str 12", "12"),
    ],
)
def test_scalars_mean_what_yaml_1_2_says(written: str, expected: object) -> None:
    if isinstance(expected, list):
        assert value(f"a:\n{written} x\n") == {"a": ["x"]}
        return
    read = value(f"a: {written}\n")["a"]
    assert read == expected
    assert type(read) is type(expected)


def test_keys_are_text_as_written() -> None:
    assert value("NO: 1\n1: 2\ntrue: 3\n22:00: 4\n0123: 5\n") == {
        "NO": 1,
        "1": 2,
        "true": 3,
        "22:00": 4,
        "0123": 5,
    }


def test_bom_and_crlf_are_accepted(reader: Load) -> None:
    document = reader(b"\xef\xbb\xbfa: 1\r\nb:\r\n  c: two\r\n", "f")
    assert document.value == {"a": 1, "b": {"c": "two"}}
    assert document.where(("b", "c")) == (3, 6)


def test_an_empty_file_is_null(reader: Load) -> None:
    document = reader(b"# nothing\n", "f")
    assert document.value is None
    assert document.where(("a",)) == (0, 0)
    assert document.comment_after(()) == ""
    assert not document.is_blank(())


RULES = b"""rules:
  - id: first
    match: {data.x: 5}
  - id: second
    message: |
      One
        Two {{ x }}
    notify: #general
    when: 'a'   # why
"""


@pytest.mark.parametrize(
    ("path", "place", "key_place"),
    [
        ((), (1, 1), (1, 1)),
        (("rules",), (2, 3), (1, 1)),
        (("rules", 0), (2, 5), (2, 5)),
        (("rules", 0, "match", "data.x"), (3, 21), (3, 13)),
        (("rules", 1, "id"), (4, 9), (4, 5)),
        # What is not there stands where the thing above it stands.
        (("rules", 1, "event"), (4, 5), (4, 5)),
        (("rules", 7), (2, 3), (1, 1)),
        (("rules", "x"), (2, 3), (1, 1)),
        (("rules", 1, "id", "deeper"), (4, 9), (4, 5)),
    ],
)
def test_every_value_and_key_has_its_place(
    reader: Load, path: tuple[str | int, ...], place: tuple[int, int], key_place: tuple[int, int]
) -> None:
    document = reader(RULES, "f")
    assert document.where(path) == place
    assert document.where(path, key=True) == key_place


def test_a_line_of_a_block_text_has_its_place(reader: Load) -> None:
    document = reader(RULES, "f")
    assert document.where_in(("rules", 1, "message"), 2) == (7, 9)
    assert document.where_in(("rules", 1, "message"), 0) == (5, 14)
    assert document.where_in(("rules", 1, "when"), 1) == (9, 11)
    assert document.where_in(("rules", 1, "message"), 99) == (5, 14)


def test_a_comment_in_place_of_a_value_is_seen(reader: Load) -> None:
    document = reader(RULES, "f")
    assert document.comment_after(("rules", 1, "notify")) == "#general"
    assert document.is_blank(("rules", 1, "notify"))
    assert document.comment_after(("rules", 1, "when")) == "# why"
    assert not document.is_blank(("rules", 1, "when"))
    assert document.comment_after(("rules", 1, "message")) == ""


def test_duplicate_keys_name_both_lines_and_all_are_named(reader: Load) -> None:
    assert problems("a: 1\nb:\n  c: 1\n  c: 2\na: 3\na: 4\n", reader) == [
        "f:4:3: `c` is given twice: already on line 3",
        "f:5:1: `a` is given twice: already on line 1",
        "f:6:1: `a` is given twice: already on line 1",
    ]


WHEN = (
    "put the expression on a line of its own below `when: >-`; it has characters that mean something in YAML"
)
STAR = 'a text that starts with `*` must be in quotes: "*"'
BRACES = 'a text with {{ }} or {% %} must be in quotes: "..."'
TAG = "a text that starts with `!` must be in quotes (tags are not used here)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("event: *\n", f"1:8: {STAR}"),
        ("event: *.Cancelled\n", f"1:8: {STAR}"),
        ("event: [*, A.B]\n", f"1:9: {STAR}"),
        ("event: *secret-name\n", f"1:8: {STAR}"),
        ('when: data.x == "A: B"\n', f"1:19: {WHEN}"),
        ("- when: 'a' in data.x and b\n", f"1:13: {WHEN}"),
        ("when: {{ data.x }} == 1\n", f"1:20: {WHEN}"),
        ("message: {{ guest.name }} has come\n", f"1:27: {BRACES}"),
        ("message: {% if x %}y\n", f"1:11: {BRACES}"),
        ("to: {{ guest.email }}\n", '1:6: a text with {{ }} must be in quotes: "{{ ... }}"'),
        ("? [a]\n: b\n", "1:3: a key must be a text"),
        ("a: 1\n'': 2\n", "2:1: a key is missing before the `:`"),
        ("a: %x\n", "1:4: a text that starts with `%` must be in quotes"),
        ("a: @x\n", "1:4: a text that starts with `@` must be in quotes"),
        ("a: &\n", "1:4: a text that starts with `&` must be in quotes"),
        ("a: !secret y\n", f"1:4: {TAG}"),
        ("a: !!python/object:os.system x\n", f"1:4: {TAG}"),
        ("a: !!int hunter2\n", f"1:4: {TAG}"),
        ("a: !!set {b}\n", f"1:4: {TAG}"),
        ("a: !<\n", f"1:4: {TAG}"),
        ("a:\n  b: 1\n\tc: 2\n", "3:1: a tab stands here; YAML is indented with blanks"),
        (
            "a: 1\nfoo\nb: 2\n",
            "2:1: `key: value` is expected here; is the `:` missing, or the blank after it?",
        ),
        (
            "a:1\nb: 2\n",
            "2:2: this `:` comes unexpectedly: "
            "check the indentation, and the line above (`key: value` needs its blank)",
        ),
        ("a: b: c\n", "1:5: a text with `: ` in it must be in quotes"),
        (
            "a:\n  b: 1\n c: 2\n",
            "3:2: this does not fit the lines above: check the indentation, and quotes that close too early",
        ),
        ('a: "abc\nb: 2\n', "1:4: the quote that opens here is not closed"),
        ('a: "C:\\q"\n', "1:4: a backslash in \"double quotes\" starts an escape; use 'single quotes'"),
        ("a: [1, 2\nb: 3\n", "1:4: the list that opens here with `[` goes wrong or is not closed with `]`"),
        (
            "a: {b: {c: 1}\nd: 2\n",
            "1:4: the mapping that opens here with `{` goes wrong or is not closed with `}`",
        ),
        ("{url: slack://${env:X}}\n", '1:1: inside { } a text with ${...} must be in quotes: "..."'),
        (
            "rules: [",
            "1:9: a value is missing or incomplete here; a text that starts with [ ] { } or , must be in quotes",
        ),
        ("a: - b\n", "1:4: a list starts on a line of its own, below its key"),
        ("a: >x\n", "1:5: the text that belongs to `>` or `|` starts on the next line"),
        ("a: &x 1\nb: &x 2\n", "1:4: this anchor (`&name`) is already used above"),
        ("a: 1\n---\nb: 2\n", "2:1: a second document starts here (`---`); a file holds one"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "3:3: `<<` does not merge here; write the keys out"),
        ('a: "\a"\n', "1:5: a control character (U+0007) stands here; delete it"),
        ("a: \ufffe\n", "1:4: a control character (U+FFFE) stands here; delete it"),
        ("&a [*a]\n", "1:1: an alias (`*name`) stands inside the thing that it names"),
        ("a: &a {b: {c: *a}}\n", "1:4: an alias (`*name`) stands inside the thing that it names"),
        ("a: " + "[" * 40 + "]" * 40, "1:35: nested deeper than 32 levels"),
    ],
)
def test_a_mistake_gets_one_clear_sentence(reader: Load, text: str, expected: str) -> None:
    assert problems(text, reader) == [f"f:{expected}"]


def test_text_that_is_not_utf_8_is_named_with_its_place() -> None:
    assert problems(b"a: 1\nb: caf\xe9\n") == ["f:2:7: this is not UTF-8 text; save the file as UTF-8"]


def test_a_large_file_is_refused_before_it_is_parsed() -> None:
    assert problems(b"# x\n" * 2_500_000) == ["f:0:0: the file is larger than 1 MiB"]
    assert load(b"#" * 1024 * 1024, "f").value is None


@pytest.mark.parametrize("opening", ["[", "{", "- ", "? ", "{a: ", "[{"])
def test_nesting_that_would_exhaust_the_parser_is_refused(reader: Load, opening: str) -> None:
    text = (opening * 400_000)[: 1024 * 1024]
    assert [line.partition(": ")[2] for line in problems(text, reader)] == ["nested deeper than 32 levels"]


def test_thirty_two_levels_are_accepted(reader: Load) -> None:
    assert reader(("[" * 32 + "]" * 32).encode(), "f").value


TOO_MANY = "too many aliases (`*name`) of this: at most 50, counted after expansion"


def test_aliases_are_counted_after_expansion(reader: Load) -> None:
    lines = ["a0: &a0 [lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    assert problems("\n".join(lines), reader) == [f"f:2:5: {TOO_MANY}"]


def test_fifty_aliases_are_accepted_and_fifty_one_are_not(reader: Load) -> None:
    assert reader(("a: &a x\nb: [" + "*a, " * 50 + "]").encode(), "f").value["b"] == ["x"] * 50
    assert problems("a: &a x\nb: [" + "*a, " * 51 + "]", reader) == [f"f:1:4: {TOO_MANY}"]


def test_aliases_of_large_things_are_refused(reader: Load) -> None:
    big = "a: &a [" + "x, " * 3000 + "]\n"
    assert problems(big + "b: [*a, *a, *a, *a]\n", reader) == [f"f:1:4: {TOO_MANY}"]


def test_aliases_do_not_hide_depth(reader: Load) -> None:
    text = "a: &a " + "[" * 20 + "]" * 20 + "\nb: " + "[" * 20 + "*a" + "]" * 20 + "\n"
    assert [line.partition(": ")[2] for line in problems(text, reader)] == ["nested deeper than 32 levels"]


def test_no_message_repeats_a_value() -> None:
    for text in (
        "a: *hunter2",
        "a: !hunter2 x",
        "a: !!int hunter2",
        'a: "hunter2',
        "a: [hunter2",
        "a: b: hunter2",
    ):
        assert "hunter2" not in " ".join(problems(text + "\n"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("mesage", "; did you mean `message`?"), ("MESSAGE", "; did you mean `message`?"), ("qqq", "")],
)
def test_the_nearest_name_is_suggested(name: str, expected: str) -> None:
    assert did_you_mean(name, ["message", "match"]) == expected


@pytest.mark.parametrize(
    ("written", "seconds"), [("90s", 90), ("15m", 900), ("24h", 86400), ("30d", 2592000), (" 0s ", 0)]
)
def test_a_duration_has_a_unit(written: str, seconds: int) -> None:
    assert parse_duration(written) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "written", [90, 1.5, True, "90", "1h30m", "-5m", "5 min", "", None, "1.5h", "999999999d", "٥m"]
)
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"^a duration .*"):
        parse_duration(written)


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_a_file_that_cannot_be_read_gets_one_sentence(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.yaml"
    if kind == "folder":
        path.mkdir()
    with pytest.raises(ConfigError) as caught:
        yamlfile.read_file(path, "x.yaml")
    assert (
        str(caught.value)
        == {
            "missing": "x.yaml:0:0: the file does not exist",
            "folder": "x.yaml:0:0: this is not a regular file",
        }[kind]
    )
