"""What does this body say?  Raw bytes of a webhook -> an Envelope, or the reason why there is none.

A body that came without its envelope (`data` alone) is taken for the envelope's `data`; shape.py tells its type.

Strict where two readers could understand two things (duplicate keys, NaN, other encodings than UTF-8) and where
work could explode (depth, number of values); tolerant of everything that Zenoti may add.  The receiver calls
this for each authentic body: it is the hot path.  Pure; `read_envelope` never raises.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, NamedTuple, NoReturn

from zennotify.core.model import as_utc, read_time
from zennotify.zenoti import shape

MAX_DEPTH: Final = 32
MAX_NODES: Final = 20_000
#: The longest id and the longest event type, in characters.
MAX_TEXT: Final = 200
#: What an envelope has, and `data` has not.  Not its ids: guests, employees and classes have such fields, too.
_MARKS: Final = frozenset({"event_type", "event_timestamp", "event_schema", "event_resource", "data"})


class Wrapped(NamedTuple):
    """What a body holds."""

    #: Zenoti's `event_id`, or `id` where there is none; empty where there is no envelope.
    event_id: str
    #: Empty where the body does not say it.
    type: str
    #: `event_timestamp` as sent.
    stamp: Any
    data: dict[str, Any]

    @property
    def at(self) -> datetime | None:
        """`event_timestamp` in UTC; None where it cannot be read."""
        return _moment(self.stamp)


class Envelope(NamedTuple):
    """One event as Zenoti wrapped it."""

    #: Zenoti's `event_id`, or `id` where there is none; empty where it came without an envelope.
    event_id: str
    type: str
    #: `event_timestamp` in UTC; None where it cannot be read.
    at: datetime | None
    data: dict[str, Any]
    #: Equal for two envelopes that say the same: a hash of type, timestamp and data, behind the timestamp's second,
    #: so that what happened at the same time lies together in the store.
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why a body holds no event; the reason is a fixed word of ours, never a part of the body."""

    reason: str


class _NotStrictError(Exception):
    """The text is JSON for Python, but not for everybody."""


def read_envelope(body: bytes, named: str | None = None) -> Envelope | Unusable:
    """Return what a body says, or why it says nothing that we can use.

    `named` is the type that the listener's URL names, for a body that does not say it; empty where it names one that
    cannot be used.
    """
    wrapped = unwrap(body)
    if isinstance(wrapped, Unusable):
        return wrapped
    event_id, kind, stamp, data = wrapped
    if not kind:
        told = _told(wrapped, named)
        if isinstance(told, Unusable):
            return told
        kind = told
    at = wrapped.at
    second = 0 if at is None else int(at.timestamp()) & 0xFFFFFFFF
    return Envelope(event_id, kind, at, data, f"{second:08x}{digest_of(kind, stamp, data)}")


def digest_of(event_type: str, stamp: Any, data: dict[str, Any]) -> str:
    """Return a hash that is equal for the same type, timestamp and data."""
    canonical = _encode([event_type.casefold(), stamp, data])
    return blake2b(canonical.encode(), digest_size=12).hexdigest()


def is_bare(document: dict[str, Any]) -> bool:
    """Say whether a body is without its envelope; what is empty is nothing at all."""
    return bool(document) and _MARKS.isdisjoint(document)


def _told(wrapped: Wrapped, named: str | None) -> str | Unusable:
    """Return the type of a body that does not say it, or why it cannot be told."""
    possible: tuple[str, ...] = ()
    kind = named
    if not wrapped.event_id:
        possible = shape.possible_types(wrapped.data)
        kind = shape.type_of(possible, named)
    if kind:
        return kind
    if named is not None:
        return Unusable("bad_parameter:event_type")
    if possible:
        return Unusable("no_envelope")
    lacking = None if wrapped.event_id else _event_id(wrapped.data)
    return lacking if isinstance(lacking, Unusable) else Unusable("missing_event_type")


def unwrap(body: bytes) -> Wrapped | Unusable:
    """Return what a body says, without comparing it to others."""
    try:
        document = _parse(body)
    except (ValueError, RecursionError, _NotStrictError):
        # ValueError: bad UTF-8, bad JSON, a number of thousands of digits
        return Unusable("bad_json")
    if isinstance(document, dict):
        return _wrapped(document)
    return document if isinstance(document, Unusable) else Unusable("not_an_object")


def _wrapped(document: dict[str, Any]) -> Wrapped | Unusable:
    event_id = _event_id(document)
    if isinstance(event_id, Unusable):
        return Wrapped("", "", None, document) if is_bare(document) else event_id
    kind = document.get("event_type")
    if kind is None or kind == "":
        return _untyped(document, event_id)
    if not isinstance(kind, str):
        return Unusable("bad_type:event_type")
    if len(kind) > MAX_TEXT:
        return Unusable("too_long:event_type")
    data = document.get("data")
    if data is None:
        return Unusable("missing_data")
    if not isinstance(data, dict):
        return Unusable("bad_type:data")
    return Wrapped(event_id, kind, document.get("event_timestamp"), data)


def _untyped(document: dict[str, Any], event_id: str) -> Wrapped | Unusable:
    if is_bare(document):
        return Wrapped("", "", None, document)
    data = document.get("data")
    if not isinstance(data, dict):
        return Unusable("missing_event_type")
    return Wrapped(event_id, "", document.get("event_timestamp"), data)


def _event_id(document: dict[str, Any]) -> str | Unusable:
    """Return the event's own id; without one, the id of the call."""
    for field in ("event_id", "id"):
        value = document.get(field)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if value is None or value == "":
            continue
        if not isinstance(value, str):
            return Unusable(f"bad_type:{field}")
        if len(value) > MAX_TEXT:
            return Unusable(f"too_long:{field}")
        if value.isspace():
            continue
        return value
    return Unusable("missing_id")


def _moment(stamp: object) -> datetime | None:
    moment = read_time(stamp) if isinstance(stamp, str) else None
    try:
        return as_utc(moment) if moment is not None else None
    except OverflowError:  # the last hours of the year 9999, west of Greenwich
        return None


# --- strict JSON


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; two equal keys (also when one was written with escapes) are refused."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _NotStrictError
    return result


def _number(text: str) -> float:
    """Refuse 1e999, which would become infinite."""
    value = float(text)
    if value in _INFINITE:
        raise _NotStrictError
    return value


def _refuse(_word: str) -> NoReturn:
    """Refuse NaN, Infinity and -Infinity."""
    raise _NotStrictError


_INFINITE = (float("inf"), float("-inf"))
_decode = json.JSONDecoder(object_pairs_hook=_object, parse_float=_number, parse_constant=_refuse).decode
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
#: An escape that may leave half a character or a NUL in a text.
_BAD_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_BAD_CHARACTER = re.compile("[\ud800-\udfff\x00]")


def _parse(body: bytes) -> Any:
    """Return the document in a body (or Unusable); raises for what is not strict JSON."""
    document = _decode(body.decode())
    if document is None:  # null is valid JSON that says nothing
        raise _NotStrictError
    # Each container costs a bracket and each further value a comma, so that these counts bound depth and
    # nodes from above; they are far cheaper than a walk, and nearly always small enough.
    containers = body.count(b"{") + body.count(b"[")
    if containers > MAX_DEPTH or containers + body.count(b",") >= MAX_NODES:
        depth, nodes = _measure(document)
        if depth > MAX_DEPTH:
            raise _NotStrictError
        if nodes > MAX_NODES:
            return Unusable("too_many_nodes")
    return _cleaned(document) if _BAD_ESCAPE.search(body) else document


def _measure(document: Any) -> tuple[int, int]:
    """Return depth and number of values; level by level, so that nothing recurses."""
    depth = nodes = 0
    level = [document]
    while level:
        nodes += len(level)
        containers = [value for value in level if isinstance(value, dict | list)]
        depth += bool(containers)
        level = [v for c in containers for v in (c.values() if isinstance(c, dict) else c)]
    return depth, nodes


def _cleaned(value: Any) -> Any:
    """Return a value whose texts can be stored anywhere: half characters and NULs become U+FFFD."""
    if isinstance(value, str):
        return _BAD_CHARACTER.sub("\ufffd", value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return _object([(_cleaned(key), _cleaned(item)) for key, item in value.items()])
    return value
