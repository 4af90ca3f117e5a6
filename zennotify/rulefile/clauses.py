"""Read the paths and clauses of a rule: what may be named, which operators there are, which regexes run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import re2

from zennotify.core.match import OPERATORS, Clause, ClauseError, make_clause
from zennotify.core.path import Path, PathError, parse_path
from zennotify.rulefile.remarks import Place, Remarks
from zennotify.spelling import did_you_mean
from zennotify.yamlfile import Step
from zennotify.zenoti.names import EVENT_NAMES

LONGEST_REGEX: Final = 200
#: Where in a clause something is wrong, and what.
ClauseProblem = tuple[tuple[Step, ...], str]


def read_path(text: str) -> Path:
    """Read a path whose names are known, or raise PathError."""
    path = parse_path(text)
    root = path.root
    if root not in EVENT_NAMES:
        raise PathError(f"`{text[:80]}` starts with a name that is not known{_nearest_root(path)}")
    if len(path.steps) == 1:
        raise PathError(
            f"`{root}` is not a value; name a part of it, e.g. {root}.{(*EVENT_NAMES[root], 'total')[0]}"
        )
    fields, step = EVENT_NAMES[root], path.steps[1]
    if fields and step not in fields:
        hint = did_you_mean(str(step), fields) or f"; it has: {' '.join(fields)}"
        raise PathError(f"`{root}` has no `{step}`{hint}")
    return path


def _nearest_root(path: Path) -> str:
    hint = did_you_mean(path.root, EVENT_NAMES) if len(path.steps) > 1 else ""
    return hint or f"; a field that Zenoti sends is written data.{path.text[:80]}"


def read_clauses(
    remarks: Remarks, place: Place, match: Mapping[str, Any], asked: list[tuple[Place, Path, Any]]
) -> Iterator[Clause]:
    """Read the clauses of a `match` that stands at a place, and add what they ask for to `asked`."""
    for text, wanted in match.items():
        where = remarks.place((*place, text))
        try:
            path = read_path(text)
        except PathError as error:
            remarks.add(where, str(error), key=True)
            continue
        if wanted is None and remarks.is_blank(where):
            hint = remarks.comment(where) or "; write `null`, or {exists: no}"
            remarks.add(where, f"no value is given{hint}")
            continue
        clause = read_clause(path, wanted)
        if isinstance(clause, Clause):
            asked.append((where, path, wanted))
            yield clause
        else:
            for below, sentence in clause:
                remarks.add((*where, *below), sentence)


def read_clause(path: Path, wanted: Any) -> Clause | list[ClauseProblem]:
    """Return the clause `path: wanted`, or everything that is wrong with it."""
    problems = list(_problems(wanted))
    if not problems and isinstance(wanted, Mapping):
        # One operator at a time, so that each is named where it stands.
        problems = [
            ((name,), problem)
            for name, literal in wanted.items()
            if (problem := _refusal(path, {name: literal})) is not None
        ]
    if problems:
        return problems
    try:
        return make_clause(path, wanted, compile_regex)
    except ClauseError as error:
        return [((), str(error))]


def _refusal(path: Path, wanted: Any) -> str | None:
    try:
        make_clause(path, wanted, compile_regex)
    except ClauseError as error:
        return str(error)
    return None


def _problems(wanted: Any, place: tuple[Step, ...] = ()) -> Iterator[ClauseProblem]:
    """Yield what is wrong with operators and literals on every level."""
    if isinstance(wanted, dict):
        for name, literal in wanted.items():
            if name not in OPERATORS:
                hint = did_you_mean(name, OPERATORS) or f"; there are: {' '.join(OPERATORS)}"
                yield (*place, name), f"unknown operator{hint}"
            else:
                yield from _problems(literal, (*place, name))
    elif isinstance(wanted, list):
        for index, literal in enumerate(wanted):
            yield from _problems(literal, (*place, index))
    elif isinstance(wanted, str) and "{{" in wanted:
        yield (
            place,
            "`match` compares with fixed values, without {{ }}; use `when` to compare with another field",
        )
    elif isinstance(wanted, float) and not math.isfinite(wanted):
        yield place, "nothing compares with this number"


def compile_regex(pattern: str) -> Callable[[str], bool]:
    """Compile a search without case on a linear-time engine; ValueError has a sentence."""
    if len(pattern) > LONGEST_REGEX:
        raise ValueError(f"a regex has at most {LONGEST_REGEX} characters, this one has {len(pattern)}")
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if error.args else "unknown"
        raise ValueError(f"this regex cannot be used (no lookaround, no backreference): {reason}") from None

    def search(text: str) -> bool:
        # A text from JSON may hold half a surrogate pair, which the engine cannot take.
        return compiled.search(text.encode("utf-8", "replace").decode()) is not None

    return search
