"""What does a file of the user's say, and on which line?  The YAML loader; config.py and rulefile.py call it.

PyYAML reads YAML 1.1, where `NO` is false and `22:00` is 1320.  This loader resolves plain scalars as YAML 1.2
core does, and keeps what looks like a number but is none for a person (`0123`, `+12065550100`) as text.  The
nodes are kept, so that every value and every key has its line and column.  Sizes, depth and aliases are
bounded before anything is built.  No message repeats a value: it may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, cast
from zoneinfo import ZoneInfo, available_timezones

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from zennotify.errors import ConfigError, Problem
from zennotify.spelling import did_you_mean

Step = str | int

#: The largest file that is read.
MAX_BYTES: Final = 1024 * 1024
_MAX_DEPTH = 32
_MAX_ALIASES = 50
#: How many nodes all aliases together may stand for.
_MAX_EXPANDED = 10_000

_STR, _NULL, _BOOL = "tag:yaml.org,2002:str", "tag:yaml.org,2002:null", "tag:yaml.org,2002:bool"
_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_SEQ, _MAP = "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"

_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), _NULL),
    **dict.fromkeys(("true", "True", "TRUE", "false", "False", "FALSE"), _BOOL),
    **dict.fromkeys((".inf", ".Inf", ".INF", "-.inf", "-.Inf", "-.INF", ".nan", ".NaN", ".NAN"), _FLOAT),
}
# No leading zero and no plus: 0123 is an id and +12065550100 is a telephone number.
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,99})|0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}")
_DECIMAL = re.compile(r"-?(?:\.[0-9]{1,99}|(?:0|[1-9][0-9]{0,99})(?:\.[0-9]{0,99})?)(?:[eE][-+]?[0-9]{1,9})?")
_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = timedelta(days=36500)


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read: its value, and where each part of it stands."""

    name: str
    #: Plain Python; the keys of a mapping are always text, as written.
    value: Any
    _root: Node | None = field(repr=False)
    _lines: list[str] = field(repr=False)

    def where(self, path: Iterable[Step], *, key: bool = False) -> tuple[int, int]:
        """Return line and column (from 1) of the value at `path`, or of its key.

        What does not exist stands where the nearest thing above it stands; an empty file at 0, 0.
        """
        if self._root is None:
            return 0, 0
        key_node, node = self._find(path)
        mark = key_node.start_mark if key and key_node is not None else node.start_mark
        return mark.line + 1, mark.column + 1

    def problem(
        self, path: Iterable[Step], message: str, *, key: bool = False, warning: bool = False
    ) -> Problem:
        """Return a Problem at the value at `path`, or at its key."""
        return Problem(self.name, *self.where(path, key=key), message, warning)

    def where_in(self, path: Iterable[Step], line: int) -> tuple[int, int]:
        """Return where a line (from 1) of the text at `path` stands, as far as YAML lets us know."""
        if self._root is None:
            return 0, 0
        node = self._find(path)[1]
        row = node.start_mark.line + line
        if not isinstance(node, ScalarNode) or node.style != "|" or line < 1 or row >= len(self._lines):
            return self.where(path)
        return row + 1, len(self._lines[row]) - len(self._lines[row].lstrip()) + 1

    def is_blank(self, path: Iterable[Step]) -> bool:
        """Say whether nothing at all stands at `path`: neither a value nor the word `null`."""
        node = self._find(path)[1] if self._root is not None else None
        return isinstance(node, ScalarNode) and not node.style and not node.value

    def comment_after(self, path: Iterable[Step]) -> str:
        """Return the comment that ends the line of the value at `path`, with its `#`, or nothing."""
        if self._root is None:
            return ""
        node = self._find(path)[1]
        mark = node.end_mark
        if mark.line >= len(self._lines) or getattr(node, "style", None) in ("|", ">"):
            return ""
        rest = self._lines[mark.line][mark.column :].strip()
        return rest if rest.startswith("#") else ""

    def _find(self, path: Iterable[Step]) -> tuple[Node | None, Node]:
        key_node: Node | None = None
        node = cast(Node, self._root)
        for step in path:
            if isinstance(node, MappingNode):
                pair = next(((k, v) for k, v in node.value if k.value == step), None)
            elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
                pair = (None, node.value[step])
            else:
                pair = None
            if pair is None:
                break
            key_node, node = pair
        return key_node, node


def read_file(path: Path, name: str) -> bytes:
    """Return the bytes of a file of the user's, or raise ConfigError with one sentence."""
    try:
        if not path.exists():
            raise ConfigError([Problem(name, 0, 0, "the file does not exist")])
        if not path.is_file():
            raise ConfigError([Problem(name, 0, 0, "this is not a regular file")])
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError([Problem(name, 0, 0, f"the file cannot be read: {reason}")]) from error
    return content


def decode(content: bytes, name: str) -> str:
    """Return the text of a file, or raise ConfigError: at most 1 MiB, UTF-8, no control characters."""
    if len(content) > MAX_BYTES:
        raise ConfigError([Problem(name, 0, 0, "the file is larger than 1 MiB")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise ConfigError(
            [Problem(name, line, column, "this is not UTF-8 text; save the file as UTF-8")]
        ) from None
    odd = _FORBIDDEN.search(text)
    if odd:
        line = text.count("\n", 0, odd.start()) + 1
        column = odd.start() - text.rfind("\n", 0, odd.start())
        sentence = f"a control character (U+{ord(odd.group()):04X}) stands here; delete it"
        raise ConfigError([Problem(name, line, column, sentence)])
    return text


def load(text: bytes, name: str) -> Document:
    """Read YAML, or raise ConfigError: all problems of keys and tags, but only the first of syntax."""
    plain = decode(text, name)
    lines = [line.rstrip("\r") for line in plain.split("\n")]
    loader = _Loader(plain)
    loader.name_of_file = name
    try:
        root = cast("Node | None", loader.get_single_node())
    except yaml.YAMLError as error:
        raise ConfigError([_syntax_problem(error, lines, name)]) from None
    finally:
        loader.dispose()
    if root is None:
        return Document(name, None, None, lines)
    builder = _Builder(name)
    value = builder.build(root, 0)
    if builder.problems:
        raise ConfigError(sorted(builder.problems))
    return Document(name, value, root, lines)


def kind(value: object) -> str:
    """Return what a value is, in words, without the value."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list() | tuple():
            return "a list"
        case _:
            return "a mapping"


def parse_duration(value: object) -> timedelta:
    """Read `90s`, `15m`, `24h` or `30d`; ValueError has a sentence (without the value) for all else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError("a duration needs its unit: s, m, h or d, e.g. 90s, 15m, 24h, 30d")  # noqa: TRY004 - one kind of error for the caller
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a duration is a whole number and a unit (s, m, h or d), e.g. 90s, 15m, 24h, 30d")
    seconds = int(match[1]) * _SECONDS[match[2]]
    if seconds > _LONGEST.total_seconds():
        raise ValueError("a duration is at most 36500d")
    return timedelta(seconds=seconds)


def parse_time_zone(name: str) -> str:
    """Take the name of a time zone; ValueError has a sentence (without the name) for all else."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ValueError(f"this is not a time zone that is known{_nearest_zone(name)}") from None
    return name


# The zones are files that have to be looked for, and one mistake may stand at hundreds of centres.
@lru_cache(maxsize=100)
def _nearest_zone(name: str) -> str:
    return did_you_mean(name, available_timezones()) or "; e.g. America/Los_Angeles"


def parse_text(value: object) -> str:
    """Take a text that is not blank; ValueError has a sentence for all else."""
    if not isinstance(value, str):
        quotes = "; put it in quotes" if isinstance(value, bool | int | float) else ""
        raise ValueError(f"a text is expected, not {kind(value)}{quotes}")  # noqa: TRY004 - as above
    if not value.strip():
        raise ValueError("this text is empty")
    return value


def parse_texts(value: object) -> tuple[str, ...]:
    """Take a text or a list of texts (`x` is the same as `[x]`), each once, without outer blanks."""
    if not isinstance(value, list | str):
        raise ValueError(f"a text or a list of texts is expected, not {kind(value)}")  # noqa: TRY004 - as above
    texts = [parse_text(part) for part in (value if isinstance(value, list) else [value])]
    if not texts:
        raise ValueError("the list is empty")
    return tuple(dict.fromkeys(text.strip() for text in texts))


def _plain_tag(value: str) -> str:
    if value[:1] in "-.0123456789" and value:
        if _INTEGER.fullmatch(value):
            return _INT
        if _DECIMAL.fullmatch(value):
            return _FLOAT
    return _WORDS.get(value, _STR)


# The C parser where PyYAML was built with it: ten times as fast, and with the same marks.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


# mypy cannot know a base that depends on how PyYAML was built.
class _Loader(_Base):  # type: ignore[misc]
    """Composes nodes; building values from them is `_Builder`'s."""

    name_of_file = ""
    _depth = 0

    def resolve(self, kind: type[Node], value: str | None, implicit: Any) -> str:
        if kind is ScalarNode:
            return _plain_tag(value or "") if implicit[0] else _STR
        return _SEQ if kind is SequenceNode else _MAP

    # Called around every node, also by the C parser, which otherwise recurses until the process dies.
    def descend_resolver(self, parent: Node | None, index: object) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH + 1:
            raise _too_deep(self.name_of_file, cast(Node, parent))

    def ascend_resolver(self) -> None:
        self._depth -= 1


def _too_deep(name: str, node: Node) -> ConfigError:
    mark = node.start_mark
    return ConfigError(
        [Problem(name, mark.line + 1, mark.column + 1, f"nested deeper than {_MAX_DEPTH} levels")]
    )


class _Builder:
    """Builds plain values from nodes and collects what is wrong with them."""

    def __init__(self, name: str) -> None:
        self.problems: list[Problem] = []
        self._name = name
        self._seen: set[int] = set()
        self._open: set[int] = set()
        self._aliases = 0
        self._expanded = 0
        self._inside_alias = 0
        self._outermost: Node

    def build(self, node: Node, depth: int) -> Any:
        alias = id(node) in self._seen
        self._seen.add(id(node))
        if alias and not self._inside_alias:
            self._outermost = node
        if alias or self._inside_alias:
            self._bound(node, new=alias)
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        if depth >= _MAX_DEPTH:
            raise _too_deep(self._name, node)
        self._open.add(id(node))
        self._inside_alias += alias
        value = self._mapping(node, depth) if isinstance(node, MappingNode) else self._sequence(node, depth)
        self._inside_alias -= alias
        self._open.remove(id(node))
        return value

    def _bound(self, node: Node, *, new: bool) -> None:
        self._aliases += new
        self._expanded += 1
        if id(node) in self._open:
            raise ConfigError(
                [self._problem(node, "an alias (`*name`) stands inside the thing that it names")]
            )
        if self._aliases > _MAX_ALIASES or self._expanded > _MAX_EXPANDED:
            sentence = f"too many aliases (`*name`) of this: at most {_MAX_ALIASES}, counted after expansion"
            raise ConfigError([self._problem(self._outermost, sentence)])

    def _sequence(self, node: Node, depth: int) -> list[Any]:
        self._check_tag(node, _SEQ)
        return [self.build(child, depth + 1) for child in node.value]

    def _mapping(self, node: MappingNode, depth: int) -> dict[str, Any]:
        self._check_tag(node, _MAP)
        value: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._add(key_node, _BRACES if isinstance(key_node, MappingNode) else "a key must be a text")
                continue
            key = key_node.value
            if key in value:
                first = next(k for k, _ in node.value if k.value == key).start_mark.line + 1
                self._add(key_node, f"`{key[:60]}` is given twice: already on line {first}")
            elif key == "<<" and not key_node.style:
                self._add(key_node, "`<<` does not merge here; write the keys out")
            elif not key:
                self._add(key_node, "a key is missing before the `:`")
            value[key] = self.build(value_node, depth + 1)
        return value

    def _check_tag(self, node: Node, expected: str) -> None:
        if node.tag != expected:
            self._add(node, _TAG)

    def _scalar(self, node: ScalarNode) -> Any:
        text, tag = node.value, node.tag
        if tag == _STR:
            return text
        # A tag that was written out (`!!int abc`) may not fit its text.
        if tag != _plain_tag(text):
            self._add(node, _TAG)
            return text
        match tag:
            case "tag:yaml.org,2002:null":
                return None
            case "tag:yaml.org,2002:bool":
                return text.lower() == "true"
            case "tag:yaml.org,2002:int":
                return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
            case _:
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))

    def _add(self, node: Node, sentence: str) -> None:
        self.problems.append(self._problem(node, sentence))

    def _problem(self, node: Node, sentence: str) -> Problem:
        return Problem(self._name, node.start_mark.line + 1, node.start_mark.column + 1, sentence)


_TAG = "a text that starts with `!` must be in quotes (tags are not used here)"
_BRACES = 'a text with {{ }} must be in quotes: "{{ ... }}"'
_WHEN = (
    "put the expression on a line of its own below `when: >-`; it has characters that mean something in YAML"
)
_KEY = re.compile(r"\s*(?:- +)*(?P<key>[^\s:'\"#]+) *:(?: +(?P<value>.*))?$")

# (in PyYAML's words, our sentence); the C parser and the Python one differ in wording.
_SENTENCES = (
    ("escape character", "a backslash in \"double quotes\" starts an escape; use 'single quotes'"),
    ("expected a single document", "a second document starts here (`---`); a file holds one"),
    ("duplicate anchor", "this anchor (`&name`) is already used above"),
    ("alias", 'a text that starts with `*` must be in quotes: "*"'),
    ("anchor", "a text that starts with `&` must be in quotes"),
    (" tag", _TAG),
    ("block scalar", "the text that belongs to `>` or `|` starts on the next line"),
    ("entries are not allowed", "a list starts on a line of its own, below its key"),
    (
        "node content",
        "a value is missing or incomplete here; a text that starts with [ ] { } or , must be in quotes",
    ),
    ("flow sequence", "the list that opens here with `[` goes wrong or is not closed with `]`"),
    ("flow mapping", "the mapping that opens here with `{` goes wrong or is not closed with `}`"),
    ("quoted scalar", "the quote that opens here is not closed"),
    ("double-quoted", "the quote that opens here is not closed"),
    ("single-quoted", "the quote that opens here is not closed"),
    (
        "could not find expected ':'",
        "`key: value` is expected here; is the `:` missing, or the blank after it?",
    ),
    (
        "block mapping",
        "this does not fit the lines above: check the indentation, and quotes that close too early",
    ),
    ("block collection", "this does not fit the lines above: check the indentation"),
)
#: Errors that are best shown where the thing begins, not where the parser gave up.
_AT_BEGINNING = (
    "flow sequence",
    "flow mapping",
    "quoted",
    "simple key",
    "alias",
    "anchor",
    "while parsing a tag",
)


def _syntax_problem(error: yaml.YAMLError, lines: list[str], name: str) -> Problem:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return Problem(name, 0, 0, "this is not YAML")
    words = f"{error.context or ''} {error.problem or ''}"
    mark = error.problem_mark
    if error.context_mark is not None and any(part in words for part in _AT_BEGINNING):
        mark = error.context_mark
    row, column = mark.line, mark.column
    if row >= len(lines) or (row == len(lines) - 1 and row > 0 and not lines[row]):
        row = max(index for index, line in enumerate(lines) if line.strip())
        column = len(lines[row])
    return Problem(name, row + 1, column + 1, _sentence(words, lines[row], column))


def _sentence(words: str, line: str, column: int) -> str:
    found = line[column : column + 1]
    if "tab character" in words or (found == "\t" and "start any token" in words):
        return "a tab stands here; YAML is indented with blanks"
    match = _KEY.match(line)
    key, value = (match["key"], match["value"] or "") if match else ("", "")
    if key == "when":
        return _WHEN
    if value.startswith(("{{", "{%")):
        return 'a text with {{ }} or {% %} must be in quotes: "..."'
    if re.search(r"\{.*\$\{", line):
        return 'inside { } a text with ${...} must be in quotes: "..."'
    if "start any token" in words:
        return f"a text that starts with `{found}` must be in quotes"
    if "values are not allowed" in words:
        return _second_colon(line, column)
    return next((sentence for part, sentence in _SENTENCES if part in words), "this is not YAML")


def _second_colon(line: str, column: int) -> str:
    if ": " in line[:column]:
        return "a text with `: ` in it must be in quotes"
    return "this `:` comes unexpectedly: check the indentation, and the line above (`key: value` needs its blank)"
