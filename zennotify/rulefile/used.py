"""Which fields does each rule use, and for what?  For `doctor`, which asks the stored events whether they have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from zennotify import yamlfile
from zennotify.core.notify import Directory
from zennotify.core.path import Path, Step
from zennotify.core.rule import Rule
from zennotify.message import Templates, Uses, expression_uses
from zennotify.rulefile.compile import CompiledRules
from zennotify.rulefile.sources import Sources
from zennotify.zenoti.fields import spell_path
from zennotify.zenoti.names import EVENT_NAMES

#: The names whose fields events may lack; `event` itself is always whole.
_ROOTS: Final = frozenset(EVENT_NAMES.keys() - {"event"})


class UsedField(NamedTuple):
    """A field that a rule uses."""

    path: Path
    #: The keys of the rule that name it (match, once, when, wait, message, template and so on), and whose `to` does.
    keys: tuple[str, ...]
    #: The channels whose recipient it is.
    recipients: tuple[str, ...]
    #: Wherever it is named, the rule says what is to be done without it, or has asked for it or the event's type.
    is_optional: bool


class _Named(NamedTuple):
    steps: tuple[Step, ...]
    key: str
    recipient: str = ""
    is_optional: bool = False


def used_fields(
    sources: Sources, compiled: CompiledRules, recipients: Mapping[str, str]
) -> dict[str, tuple[UsedField, ...]]:
    """Return the fields that each rule uses, by the rule's id.

    `compiled` was made of the same sources; `recipients` are the `to` of channels whose recipient comes from the
    event, by their names.
    """
    reader = _Reader(sources, compiled.rules.directory, recipients)
    used: dict[str, tuple[UsedField, ...]] = {}
    for name, text in sources.rules.items():
        for entry in yamlfile.load(text.encode(), name).value["rules"]:
            rule = compiled.rules.by_id[entry["id"]]
            used[rule.id] = tuple(_together(reader.read(rule, entry)))
    return used


class _Reader:
    """Finds what rules of one set name."""

    def __init__(self, sources: Sources, directory: Directory, recipients: Mapping[str, str]) -> None:
        # What is only looked through has no zone and no language.
        self._templates = Templates(sources.templates, time_zone="UTC", locale="en-US")
        self._directory = directory
        self._recipients = recipients

    def read(self, rule: Rule, entry: Mapping[str, Any]) -> Iterator[_Named]:
        for clause in rule.match:
            yield _Named(clause.path.steps, "match")
        for key, paths in _keys(rule):
            yield from (_Named(path.steps, key) for path in paths)
        if rule.when is not None:
            yield from _named([expression_uses(entry["when"])], "when")
        if "template" in entry:
            yield from _named((uses for _, uses in self._templates.uses(entry["template"])), "template")
        else:
            yield from _named((uses for _, uses in self._templates.inline_uses(entry["message"])), "message")
        for channel in self._channels(rule):
            if channel in self._recipients:
                to = self._templates.inline_uses(self._recipients[channel])
                yield from _named((uses for _, uses in to), f"to of {channel}", channel)

    def _channels(self, rule: Rule) -> dict[str, None]:
        """Return the channels that a rule may tell, at one centre or another."""
        centers = self._directory.centers
        places = (None, *(center.id for center in centers))
        return dict.fromkeys(
            channel for role in rule.told for place in places for channel in centers.channels_of(role, place)
        )


def _keys(rule: Rule) -> Iterator[tuple[str, Iterable[Path]]]:
    """Yield the keys of a rule below which paths name its windows, with these paths."""
    if rule.threshold is not None:
        yield "threshold", rule.threshold.per
    if rule.suppressed is not None:
        yield "suppressed_by", rule.suppressed.same
    if rule.wait is not None:
        after = rule.wait.after_path
        yield "wait", (*rule.wait.per, *(() if after is None else (after,)))
    if rule.once is not None:
        yield "once", rule.once.per
    if rule.digest is not None:
        yield "digest", rule.digest.per
    if rule.absent is not None:
        yield "absent", rule.absent.per


def _named(found: Iterable[Uses], key: str, recipient: str = "") -> Iterator[_Named]:
    for uses in found:
        for use in uses.paths:
            if use.steps[0] in _ROOTS and len(use.steps) > 1:
                is_asked = use.guards is None or use.steps in use.guards
                yield _Named(use.steps, key, recipient, use.forgiven or is_asked)


def _together(named: Iterable[_Named]) -> Iterator[UsedField]:
    """Yield each field once."""
    by_steps: dict[tuple[Step, ...], list[_Named]] = {}
    for one in named:
        by_steps.setdefault(one.steps, []).append(one)
    for steps, uses in by_steps.items():
        yield UsedField(
            path=Path(spell_path(steps), steps),
            keys=tuple(dict.fromkeys(use.key for use in uses)),
            recipients=tuple(dict.fromkeys(use.recipient for use in uses if use.recipient)),
            is_optional=all(use.is_optional for use in uses),
        )
