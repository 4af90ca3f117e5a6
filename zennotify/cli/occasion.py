"""Which event is meant?  A stored one, a sample or a file, by what the user typed; or one that fits a rule."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from zennotify.cli.project import fail
from zennotify.core.model import Event
from zennotify.core.rule import Rule
from zennotify.spelling import did_you_mean
from zennotify.store import Reader
from zennotify.store.views import EventView
from zennotify.trial import Trials
from zennotify.zenoti.aliases import kind_of
from zennotify.zenoti.envelope import is_bare
from zennotify.zenoti.event import Reading, reopen
from zennotify.zenoti.sample import load_sample, sample_names, wrap
from zennotify.zenoti.shape import possible_types, type_of

#: So many of the newest stored events are looked at for one that a rule is for.
LOOKED_AT: Final = 200
_SAMPLES: Final = "samples/"


@dataclass(frozen=True, slots=True)
class Occasion:
    """An event, and where it is from."""

    event: Event
    #: "the sample Invoice.Closed", "the stored event 1a2b3c4d".
    says: str
    #: What rules made of it when it came; None where it is not a stored one.
    view: EventView | None = None


class Occasions:
    """Finds events for one rule."""

    def __init__(self, trials: Trials, rule: Rule, reader: Reader | None) -> None:
        """Take the rule; `reader` is None where there is no store."""
        self._trials = trials
        self._rule = rule
        self._reader = reader
        self._reading: Reading = trials.surroundings.reading

    def named(self, what: str) -> Occasion:
        """Return the event that the user names, or end the command."""
        name = what.removeprefix(_SAMPLES)
        samples = self._samples_named(name)
        if samples:
            return self._best(samples)
        if name != what:
            fail(f"there is no sample {name!r}{did_you_mean(name, sample_names())}", 2)
        if Path(what).suffix == ".json" or Path(what).exists():
            return self._opened(json.dumps(wrapped(what, _read_file(what))).encode(), f"the file {what}")
        return self._stored_named(what)

    def fitting(self) -> Occasion:
        """Return the newest stored event that the rule is for; where there is none, the sample that fits best."""
        for view in self._stored():
            occasion = self._of_store(view, "the newest stored event that the rule is for,")
            if occasion is not None and self._trials.is_for(self._rule, occasion.event):
                return occasion
        samples = [name for name in sample_names() if self._rule.listens_to(self._kind_of(name))]
        if not samples:
            wanted = ", ".join(self._rule.events)
            fail(
                f"there is no stored event that the rule is for, and no sample of {wanted}; name a JSON file"
            )
        return self._best(samples)

    # --- samples and files ----------------------------------------------------------------------------------

    def _samples_named(self, name: str) -> list[str]:
        """Return the samples of a name, or of an event type."""
        folded = name.casefold()
        return [known for known in sample_names() if known.casefold() == folded] or [
            known
            for known in sample_names()
            if self._kind_of(known) == kind_of(folded, self._reading.aliases)
        ]

    def _kind_of(self, sample: str) -> str:
        return kind_of(load_sample(sample)["event_type"], self._reading.aliases)

    def _best(self, samples: Iterable[str]) -> Occasion:
        """Return the sample that comes furthest in the rule: of equals, one of the type that it names first."""

        def worth(occasion: Occasion) -> tuple[int, int]:
            event = occasion.event
            fits = [
                place for place, wanted in enumerate(self._rule.events) if fnmatchcase(event.kind, wanted)
            ]
            return self._trials.reach(self._rule, event), -min(fits, default=len(self._rule.events))

        opened = (
            self._opened(json.dumps(load_sample(name)).encode(), f"the sample {name}")
            for name in sorted(samples, key=lambda name: (len(name), name))
        )
        return max(opened, key=worth)

    def _opened(self, body: bytes, says: str) -> Occasion:
        try:
            event = reopen(body, self._trials.now, self._reading, "")
        except ValueError as error:
            fail(f"{says} cannot be used: {error}", 2)
        # As if it had come at once.
        return Occasion(replace(event, received_at=event.at or event.received_at), says)

    # --- the store ------------------------------------------------------------------------------------------

    def _stored_named(self, beginning: str) -> Occasion:
        found = [] if self._reader is None else self._reader.event(beginning)
        if len(found) > 1:
            fail(f"{beginning!r} is the beginning of several; give more of the event's id")
        if not found:
            hint = did_you_mean(beginning, sample_names())
            fail(f"{beginning!r} is no stored event, no sample and no JSON file{hint}")
        occasion = self._of_store(found[0], "the stored event")
        if occasion is None:
            fail(f"the stored event {found[0].id[:8]} cannot be read any more")
        return occasion

    def _stored(self) -> Iterator[EventView]:
        """Yield stored events that the rule may listen to, the newest first."""
        if self._reader is None:
            return
        listens = self._rule.listens_to
        # They are kept under the name that they came with.
        aliases = [
            name for name, kind in self._reading.aliases.items() if listens(kind) and not listens(name)
        ]
        found = {
            view.id: view
            for name in (*self._rule.events, *aliases)
            for view in self._reader.events(type=name, most=LOOKED_AT)
        }
        yield from sorted(found.values(), key=lambda view: view.received, reverse=True)[:LOOKED_AT]

    def _of_store(self, view: EventView, says: str) -> Occasion | None:
        try:
            event = reopen(view.body, view.received, self._reading, view.type)
        except ValueError:  # an earlier version took it for one
            return None
        return Occasion(event, f"{says} {view.id[:8]}", view)


def sample_or_file(what: str) -> dict[str, Any]:
    """Return the body of a sample or of a JSON file, or end the command."""
    path = Path(what)
    if path.suffix != ".json" and not path.exists():
        try:
            return load_sample(what)
        except KeyError as error:
            fail(str(error.args[0]), 2)
    return _read_file(what)


def wrapped(what: str, body: dict[str, Any], otherwise: str = "") -> dict[str, Any]:
    """Put the body of a file without an envelope into one, by its shape, or end the command.

    `otherwise` says what else the user can do.
    """
    if not is_bare(body):
        return body
    event_type = type_of(possible_types(body), None)
    if event_type is None:
        fail(
            f"{what} has no envelope, and its shape does not say which event it is;"
            f' write {{"event_type": "...", "data": ...}} around it{otherwise}',
            2,
        )
    return wrap(event_type, body)


def _read_file(what: str) -> dict[str, Any]:
    try:
        body = json.loads(Path(what).read_bytes())
    except OSError as error:
        fail(f"cannot read {what}: {error.strerror}", 2)
    except ValueError as error:
        fail(f"{what} is not JSON: {error}", 2)
    if not isinstance(body, dict):
        fail(f"{what} is not an event: a JSON object is expected", 2)
    return body
