"""Hold a rule against the catalog: what does it ask of its events that none of them carries?  Called by examine.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from zennotify.core.match import key_of
from zennotify.core.path import Path
from zennotify.message import Guards, Use, Uses
from zennotify.rulefile.scope import Absent, Scope, Steps
from zennotify.rulefile.words import meaning_of, wrong_comparison, wrong_values
from zennotify.yamlfile import Step
from zennotify.zenoti.fields import spell_path
from zennotify.zenoti.things import FIELDS

_DEFAULT: Final = "write `| default(...)`, or ask for it with `is defined` first"


class Finding(NamedTuple):
    """One thing that is wrong, or looks wrong."""

    sentence: str
    warning: bool
    #: Within the text of an expression or a template.
    line: int = 0
    #: Within the value of a clause; None: it is the path that is wrong.
    place: tuple[Step, ...] | None = None


def of_clause(scope: Scope, path: Path, wanted: Any) -> Iterator[Finding]:
    """Yield what is wrong with a clause of `match`."""
    steps = path.steps
    absent = scope.absent(steps, in_template=False) if path.root == "data" else None
    if absent is not None:
        way_out = "if Zenoti sends it all the same, use it in `when` with `| default(...)`"
        yield from _weighed(scope, absent, forgiven=_asks_presence(wanted), way_out=way_out)
        return
    yield from _unreached(scope, steps, "the clause never holds" if _demands(wanted) else "")
    meaning = meaning_of(scope, steps)
    if meaning is not None:
        for place, wrong in wrong_values(meaning, wanted):
            yield Finding(wrong.sentence, wrong.warning or not scope.certain, place=place)


def of_key(scope: Scope, path: Path) -> Iterator[Finding]:
    """Yield what is wrong with a path of `per`."""
    absent = scope.absent(path.steps, in_template=False) if path.root == "data" else None
    if absent is not None:
        yield from _weighed(scope, absent, forgiven=scope.complete and not absent.near, way_out="")
    yield from _unreached(scope, path.steps, "it limits nothing")


def of_uses(scope: Scope, uses: Uses, guards: Guards) -> Iterator[Finding]:
    """Yield what is wrong with an expression or a template; `guards` is what the rule has asked for before."""
    said: set[str] = set()
    for use in uses.paths:
        for finding in _of_use(scope, use, guards):
            # A mistake is shown wherever it stands, a warning once.
            if not finding.warning or finding.sentence not in said:
                said.add(finding.sentence)
                yield finding
    for comparison in uses.comparisons:
        meaning = meaning_of(scope, comparison.steps)
        wrong = None if meaning is None else wrong_comparison(meaning, comparison)
        if wrong is not None:
            yield Finding(wrong.sentence, wrong.warning or not scope.certain, line=comparison.line)


def guards_of(match: Iterable[tuple[Path, Any]], when: Uses | None = None) -> Guards:
    """Return what is known to be there once `match` and `when` have let an event through."""
    asked = {path.steps for path, wanted in match if _demands(wanted)}
    asked |= {use.steps for use in when.paths} if when is not None else set()
    return None if ("event", "type") in asked else frozenset(asked)


def _of_use(scope: Scope, use: Use, before: Guards) -> Iterator[Finding]:
    guards = None if before is None or use.guards is None else before | use.guards
    if use.steps[0] in FIELDS:
        if not (use.forgiven or use.decides or _guarded(use.steps[:1], guards)):
            yield from (finding._replace(line=use.line) for finding in _unreached(scope, use.steps, ""))
        return
    if use.steps[0] != "data" or len(use.steps) == 1:
        return
    absent = scope.absent(use.steps, in_template=True)
    if absent is not None:
        way_out = f"if Zenoti sends it all the same, {_DEFAULT}"
        forgiven = use.forgiven or guards is None or use.steps in guards
        for finding in _weighed(scope, absent, forgiven=forgiven, way_out=way_out):
            yield finding._replace(line=use.line)
    elif not use.forgiven:
        gap = next((text for steps, text in scope.missing(use.steps) if not _guarded(steps, guards)), None)
        if gap is not None:
            yield Finding(f"{gap}; {_DEFAULT}", warning=True, line=use.line)


def _guarded(steps: Steps, guards: Guards) -> bool:
    """Return whether a path was asked for before, or one below it."""
    return guards is None or any(guard[: len(steps)] == steps for guard in guards)


def _weighed(scope: Scope, absent: Absent, *, forgiven: bool, way_out: str) -> Iterator[Finding]:
    """Yield an error, a warning or nothing: the less is sure, the less is said."""
    doubts = forgiven + (not scope.certain) + (not absent.near and not scope.complete)
    if doubts == 0 and not absent.near and way_out:
        yield Finding(f"{absent.sentence}; {way_out}", warning=False)
    elif doubts < 2:
        yield Finding(absent.sentence, warning=doubts > 0)


def _unreached(scope: Scope, steps: Steps, so: str) -> Iterator[Finding]:
    """Yield that a thing is never known."""
    thing = str(steps[0])
    if thing in FIELDS and not scope.leads_to(thing):
        result = f": {so}" if so else ""
        yield Finding(
            f"{scope.title} never leads to a {thing}, so `{spell_path(steps)}` is never known{result}",
            warning=True,
        )


def _asks_presence(wanted: Any) -> bool:
    """Return whether a clause asks whether there is such a field at all."""
    return isinstance(wanted, Mapping) and ("exists" in wanted or _asks_presence(wanted.get("not")))


def _demands(wanted: Any) -> bool:
    """Return whether a clause holds only where there is something."""
    if isinstance(wanted, Mapping):
        exists = wanted.get("exists")
        if isinstance(exists, bool | str):
            return key_of(exists) == ("truth", True)
        return any(name != "not" for name in wanted)
    return None not in wanted if isinstance(wanted, list) else wanted is not None
