"""Hold a rule against the catalog: what does it ask of its events that none of them carries?  Called by examine.py.

A right rule must never be refused: only a plain typing mistake is an error.  What nobody has seen an event carry may
be there all the same, and is a warning that says the way out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from zennotify.core.match import key_of
from zennotify.core.path import Path
from zennotify.message import Call, Comparison, Guards, Use, Uses
from zennotify.rulefile.meant import Steps
from zennotify.rulefile.scope import Absent, Scope, is_carried
from zennotify.rulefile.words import meaning_of, wrong_comparison, wrong_text_order, wrong_values
from zennotify.yamlfile import Step
from zennotify.zenoti.fields import Kind, spell_path
from zennotify.zenoti.things import FIELDS

_TIMES: Final = frozenset((Kind.UTC_TIME, Kind.CENTER_TIME, Kind.CLASS_TIME, Kind.DAY))
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
        if not _asks_presence(wanted):
            yield from _weighed(scope, absent, "use it in `when` with `| default(...)`")
        elif absent.near or (scope.certain and scope.complete):
            yield Finding(absent.sentence, warning=True)
        return
    yield from _unreached(scope, steps, "the clause never holds" if _demands(wanted) else "")
    meaning = meaning_of(scope, steps)
    if meaning is not None:
        for place, wrong in wrong_values(meaning, wanted):
            yield Finding(wrong.sentence, wrong.warning or not scope.certain, place=place)


def of_key(scope: Scope, path: Path, so: str) -> Iterator[Finding]:
    """Yield what is wrong with a path of `per`; `so` is what follows where it is never known."""
    absent = scope.absent(path.steps, in_template=False) if path.root == "data" else None
    if absent is not None:
        yield from _weighed(scope, absent, "")
    yield from _unreached(scope, path.steps, so)


def of_moment(scope: Scope, path: Path) -> Iterator[Finding]:
    """Yield what is wrong with a path that is to be a moment."""
    yield from of_key(scope, path, "there is no such moment")
    meaning = meaning_of(scope, path.steps) if path.root == "data" else None
    if meaning is None or meaning.kind in _TIMES:
        return
    but = ", a moment only where it says its zone" if meaning.kind is Kind.TEXT else ", no time"
    yield Finding(f"`{meaning.path}` is {meaning.kind}{but}", warning=True)


def of_uses(scope: Scope, uses: Uses, guards: Guards) -> Iterator[Finding]:
    """Yield what is wrong with an expression or a template; `guards` is what the rule has asked for before."""
    said: set[tuple[str, int]] = set()
    for finding in _of_uses(scope, uses, guards):
        # A mistake is shown on every line that has it, a warning once.
        key = finding.sentence, 0 if finding.warning else finding.line
        if key not in said:
            said.add(key)
            yield finding


def of_recipient(scope: Scope, uses: Uses, guards: Guards) -> Iterator[str]:
    """Yield what is wrong with a channel's `to`, for the events of a rule that tells it."""
    said = dict.fromkeys(
        finding.sentence for use in uses.paths for finding in _of_use(scope, use, guards, gaps=False)
    )
    yield from said


def guards_of(match: Iterable[tuple[Path, Any]], when: Uses | None = None) -> Guards:
    """Return what is known to be there once `match` and `when` have let an event through."""
    asked = {path.steps for path, wanted in match if _demands(wanted)}
    asked |= {use.steps for use in when.paths} if when is not None else set()
    return None if ("event", "type") in asked else frozenset(asked)


def demanded(match: Iterable[tuple[Path, Any]]) -> list[Steps]:
    """Return the paths that `match` lets no event through without."""
    return [path.steps for path, wanted in match if path.root == "data" and _demands(wanted)]


def _of_uses(scope: Scope, uses: Uses, before: Guards) -> Iterator[Finding]:
    for use in uses.paths:
        yield from _of_use(scope, use, before)
    for comparison in uses.comparisons:
        yield from _of_comparison(scope, comparison, before)
    for call in uses.calls:
        yield from _of_call(scope, call, before)


def _of_use(scope: Scope, use: Use, before: Guards, *, gaps: bool = True) -> Iterator[Finding]:
    guards = _both(before, use.guards)
    if use.steps[0] in FIELDS:
        if not (use.forgiven or use.decides or _guarded(use.steps[:1], guards)):
            yield from (finding._replace(line=use.line) for finding in _unreached(scope, use.steps, ""))
        return
    if use.steps[0] != "data" or len(use.steps) == 1:
        return
    absent = scope.absent(use.steps, in_template=True)
    if absent is not None:
        if not use.forgiven and not _elsewhere(scope, guards):
            found = _weighed(scope, absent, _DEFAULT)
            yield from (finding._replace(line=use.line) for finding in found)
        elif absent.sure and not is_carried(use.steps):
            yield Finding(absent.sentence, warning=True, line=use.line)
    elif gaps and not use.forgiven and guards is not None:
        missing = scope.missing(use.steps, guards)
        gap = next((text for steps, text in missing if not _guarded(steps, guards)), None)
        if gap is not None:
            yield Finding(f"{gap}; {_DEFAULT}", warning=True, line=use.line)


def _of_comparison(scope: Scope, comparison: Comparison, before: Guards) -> Iterator[Finding]:
    wrong = wrong_text_order(comparison)
    if wrong is None and comparison.steps and not _elsewhere(scope, _both(before, comparison.guards)):
        meaning = meaning_of(scope, comparison.steps)
        wrong = None if meaning is None else wrong_comparison(meaning, comparison)
    if wrong is not None:
        yield Finding(wrong.sentence, wrong.warning or not scope.certain, line=comparison.line)


def _of_call(scope: Scope, call: Call, before: Guards) -> Iterator[Finding]:
    path = spell_path(call.steps)
    sentence = f"`{path}.{call.method}()` cannot be called: a field has no methods; "
    if call.method == "get":
        sentence += f"write `{path}.name`, and `| default(...)` where it can be missing"
    elif call.method in {"items", "keys", "values"}:
        sentence += f"`for name in {path}` goes through the names of a group"
    else:
        sentence += "what can be done with a value is a filter, e.g. `| lower`"
    yield Finding(sentence, _elsewhere(scope, _both(before, call.guards)), line=call.line)


def _both(before: Guards, guards: Guards) -> Guards:
    return None if before is None or guards is None else before | guards


def _guarded(steps: Steps, guards: Guards) -> bool:
    """Return whether a path was asked for before, or one below it."""
    return guards is None or any(guard[: len(steps)] == steps for guard in guards)


def _elsewhere(scope: Scope, guards: Guards) -> bool:
    """Return whether it is for other events: behind a question for what none of these carries."""
    return guards is None or any(
        scope.absent(guard, in_template=True) is not None
        for guard in guards
        if guard[0] == "data" and len(guard) > 1
    )


def _weighed(scope: Scope, absent: Absent, way_out: str) -> Iterator[Finding]:
    """Yield an error, a warning or nothing: the less is sure, the less is said."""
    if absent.sure and scope.certain and scope.shown:
        yield Finding(absent.sentence, warning=False)
    elif absent.near or scope.certain:
        if not way_out:
            yield Finding(absent.sentence, warning=True)
            return
        then = " If" if absent.sentence.endswith("?") else "; if"
        yield Finding(f"{absent.sentence}{then} Zenoti sends it all the same, {way_out}", warning=True)


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
