"""Compile Sources into rules, messages and centres, or name every error of every file and template.

No file is opened here: the sources may come from the store, where the last good rules are kept.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from zennotify import yamlfile
from zennotify.centerfile import read_centers
from zennotify.core.model import Form
from zennotify.core.notify import Directory, GuestChannel
from zennotify.core.rule import RuleSet
from zennotify.errors import ConfigError, Problem
from zennotify.message import MessageTemplate, center_clock
from zennotify.rulefile.onerule import RuleCompiler
from zennotify.rulefile.shared import Shared
from zennotify.rulefile.sources import Sources
from zennotify.spelling import did_you_mean
from zennotify.yamlfile import Document, kind
from zennotify.zenoti.aliases import ALIASES, Aliases

MOST_RULES: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRules:
    """Rules that can be used at once."""

    rules: RuleSet
    #: The message of each rule, by the rule's id.
    messages: Mapping[str, MessageTemplate]
    warnings: tuple[Problem, ...]


def compile_rules(  # noqa: PLR0913 - all that rules are held against
    sources: Sources,
    *,
    channels: Mapping[str, Form] | None,
    time_zone: str,
    locale: str,
    event_types: Sequence[str],
    guests: Mapping[str, GuestChannel] | None = None,
    aliases: Aliases = ALIASES,
    public_url: str | None = None,
    examined: bool = True,
) -> CompiledRules:
    """Compile, or raise ConfigError with all problems, by file and line.

    `channels` are the names that `notify` may use beside the centres' roles, or None for rules of the past, whose
    channels may be gone: only their messages are still needed.  `event_types` is what the catalog knows (another
    one is only a warning: Zenoti adds types).  `guests` are the channels whose recipient comes from the event,
    `aliases` other names of event types.  `public_url` is where messages can be acknowledged.

    Rules that were in force before are not `examined` (whether the catalog has what they ask for): they have to go
    on, whatever it has learned since.
    """
    center_file = read_centers(sources.centers, sources.centers_at, channels)
    shared = Shared(
        sources,
        channels,
        center_file,
        event_types,
        aliases,
        time_zone,
        locale,
        examined=examined and channels is not None,
    )
    shared.lacks_public_url = public_url is None and examined and channels is not None
    shared.guests = guests or {}
    shared.problems += center_file.problems
    with _no_collection():
        compiled = [
            RuleCompiler(document, index, shared).compile() for document, index in _rules(sources, shared)
        ]
        shared.between.check()
    if any(not problem.warning for problem in shared.problems):
        raise ConfigError(sorted(shared.problems))
    usable = [pair for pair in compiled if pair is not None]
    told = {name for rule, _ in usable for name in rule.told}
    return CompiledRules(
        rules=RuleSet(
            sources.hash,
            tuple(rule for rule, _ in usable),
            Directory(centers=center_file.centers, guests=shared.guests, local=center_clock(time_zone)),
        ),
        messages={rule.id: message for rule, message in usable},
        warnings=tuple(sorted([*shared.problems, *center_file.misnamed(told)])),
    )


def _rules(sources: Sources, shared: Shared) -> Iterator[tuple[Document, int]]:
    """Yield where each rule stands."""
    count, problems = 0, shared.problems
    for name, text in sorted(sources.rules.items()):
        try:
            document = yamlfile.load(text.encode(), f"{sources.rules_at}/{name}")
        except ConfigError as error:
            problems += error.problems
            shared.between.is_incomplete = True
            continue
        for index in range(_count(document, problems)):
            count += 1
            if count > MOST_RULES:
                problems.append(document.problem(("rules", index), f"there are more than {MOST_RULES} rules"))
                return
            yield document, index


def _count(document: Document, problems: list[Problem]) -> int:
    """Return how many rules a file has."""
    value = document.value
    if value is None:
        problems.append(
            Problem(document.name, 0, 0, "the file is empty; write rules below `rules:`, or delete it")
        )
        return 0
    if not isinstance(value, dict):
        found = "the rules go below a line `rules:`" if isinstance(value, list) else f"not {kind(value)}"
        problems.append(document.problem((), f"`rules:` is expected: {found}"))
        return 0
    for key in value:
        if key != "rules":
            hint = did_you_mean(key, ["rules"]) or "; a rule file has one, `rules`"
            problems.append(document.problem((key,), f"unknown key `{key[:60]}`{hint}", key=True))
    rules = value.get("rules")
    if isinstance(rules, list):
        return len(rules)
    if "rules" in value:
        sentence = f"rules: a list of rules is expected (`- id: ...`), not {kind(rules)}"
        problems.append(document.problem(("rules",), sentence))
    return 0


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the collector from looking through the nodes again and again: it takes longer than all the rest."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
