"""What belongs to one guest: bookings, invoices, memberships and packages, and the events that tell of them.

Pure; erasure.py reads facts and events and asks.  Who reads on learns of more: a fact names a booking, and an event
of this booking its invoice.  It is over when `extent` does not change any more.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Any, Final

from zennotify.core.model import Event
from zennotify.zenoti import facts
from zennotify.zenoti.facts import Key, Lesson
from zennotify.zenoti.mention import Mention, Wanted
from zennotify.zenoti.things import POINTERS, things_of

#: The kinds of things that are one guest's.
KINDS = POINTERS["guest"]
#: What tells a person.
_PERSON: Final = ("name", "first_name", "last_name", "email", "phone")
#: A path that leads to a guest's id.
_OF_GUEST: Final = re.compile(r"guest(?:_id|\.id)$", re.IGNORECASE)


class Bearing(Enum):
    """What an event has to do with the guest."""

    #: It names the guest, or tells the name of who has one of the guest's things.
    PERSONAL = auto()
    #: It names one of the guest's things, and nobody: the guest's name is at most in the messages made of it.
    ABOUT_THINGS = auto()
    #: It is about a class of the guest's, or another's booking of it: messages made of it may list who is in it.
    OF_CLASS = auto()
    NONE = auto()


class Belongings:
    """What is one guest's, as far as has been read."""

    def __init__(self, guest_id: str) -> None:
        """Take the guest's id; raises ValueError for what is no id."""
        key = facts.key_of("guest", guest_id)
        if key is None:
            raise ValueError(
                "an id of a guest is a text of 1 to 200 characters, e.g. d08327d8-f928-4c37-8be3"
            )
        self.guest: Key = key
        self.mention = Mention(guest_id)
        #: Whether anything names it as a guest's id, and not as a centre's or a service's.
        self.is_known = False
        self.has_fact = False
        #: The guest's names, e-mail addresses and phone numbers, in lower case.
        self.person: set[str] = set()
        self.things: set[Key] = set()
        #: The classes that the guest is remembered in.
        self.classes: set[Key] = set()
        #: Those that the guest's events name, remembered there or not.
        self._attended: set[Key] = set()
        #: Those that name the guest themselves.
        self._named: set[Key] = set()
        #: Those of which a fact says nothing else, so that they lead on to what names them.
        self._sure: set[Key] = set()
        #: Named by the guest's things, but another's.
        self._others: set[Key] = set()
        #: Named by another guest's things or events, too: nobody can say whose they are, and so they stay.
        self._shared: set[Key] = set()

    @property
    def extent(self) -> tuple[int, ...]:
        """How much has been learned; it changes with all that makes another reading worth while."""
        learned = (self._named, self._others, self._shared, self._sure, self.things, self._attended)
        return tuple(map(len, learned))

    def wanted(self) -> Wanted:
        """Return the ids that facts are to be searched for."""
        # A shared thing leads to the others' things.
        return Wanted({key.partition(" ")[2] for key in (self.guest, *self.things, *self._shared)})

    def wanted_of_events(self) -> Wanted:
        """Return the ids that events are to be searched for."""
        keys = {self.guest, *self.things, *self._shared, *self.classes, *self._attended}
        return Wanted({key.partition(" ")[2] for key in keys})

    def read_fact(self, key: Key, kept: str) -> None:
        """Learn from a fact whose thing is the guest's, or which names such a thing."""
        kind = key.partition(" ")[0]
        if key == self.guest:
            self.is_known = self.has_fact = True
            for lesson in facts.read(kept):
                self._meet(lesson.values)
        elif kind == "session":
            if any(self.guest in lesson.values for lesson in facts.read(kept)):
                self.is_known = True
                self.classes.add(key)
        elif kind in KINDS:
            self._read_thing(key, dict(_pointers(facts.read(kept))))

    def _read_thing(self, key: Key, pointers: Mapping[str, Key]) -> None:
        owner = pointers.get("guest")
        tied = {pointers[kind] for kind in KINDS if kind in pointers}
        if owner == self.guest:
            self.is_known = True
            self._named.add(key)
            self._others.discard(key)
            self._shared.discard(key)
        elif owner is not None:
            if self._is_near({key, *tied}):
                self._others.add(key)
                self._share(tied)
                self._leave({key})
            return
        elif key in self._shared or (key not in self.things and not tied & self._sure):
            return
        elif tied & (
            self._others | self._shared
        ):  # the booking of an invoice has changed hands, or was paid together with another's
            self._share({key})
            return
        self._sure.add(key)
        self._add({key, *tied})

    def read_event(self, event: Event) -> Bearing:
        """Return what an event has to do with the guest, and learn which things it names."""
        things = things_of(event)
        keys = facts.keys_of(things)
        owner = keys.get("guest")
        its = [keys[kind] for kind in KINDS if kind in keys]
        if owner == self.guest:
            self.is_known = True
            self._meet(things["guest"])
            self._add(its)
            self._attended |= {key for kind, key in keys.items() if kind == "session"}
            return Bearing.PERSONAL
        # A number may be anything: it counts only as the guest's id.
        if not self.mention.id.isdecimal() and self.mention.in_value(event.data):
            return Bearing.PERSONAL
        if owner is not None:
            if self._is_near(its):
                self._share(its)
            return self._bearing_of_class(keys)
        # Messages are about the guest of the first thing that has one: see names.py.
        if next((key for key in its if key in self.things or key in self._others), None) not in self.things:
            return self._bearing_of_class(keys)
        self._add(its)
        if not things.get("guest"):
            return Bearing.ABOUT_THINGS
        self._meet(things["guest"])
        return Bearing.PERSONAL

    def _bearing_of_class(self, keys: Mapping[str, Key]) -> Bearing:
        is_its = keys.get("session") in self.classes | self._attended
        return Bearing.OF_CLASS if is_its else Bearing.NONE

    def is_named_in(self, message: str) -> bool:
        """Return whether a message about a class names the guest, however its form has written the name."""
        if self.mention.in_text(message):
            return True
        letters = _letters(message)
        return any(name in letters for name in map(_letters, self.person) if name)

    def is_in_text(self, text: bytes) -> bool:
        """Return whether a body that nobody could read names the guest or one of the guest's things."""
        if not self.wanted().may_be_in(text):
            return False
        ids = {key.partition(" ")[2] for key in (self.guest, *self.things)}
        return any(Mention(id_).in_body(text) for id_ in ids if not id_.isdecimal())

    def is_in_window(self, key: str) -> bool:
        """Return whether a part of a window's key is the guest's id, name, e-mail address or phone number."""
        # A number may be a class or a day as well.
        wanted = self.person if self.mention.id.isdecimal() else self.person | {self.mention.id}
        if not key.startswith("[["):  # a channel and whom it tells, an event, or what stands for a long key
            return key.partition(" ")[2].strip().lower() in wanted
        return any(text.strip().lower() in wanted for part in json.loads(key) for text in part)

    def is_in_match(self, match: Mapping[str, Any]) -> bool:
        """Return whether a silence is about the guest: by id, name, e-mail address or phone number."""
        return any(self._is_meant(path, wanted) for path, wanted in match.items())

    def _is_meant(self, path: str, wanted: Any) -> bool:
        if self.mention.in_value(wanted):
            # A number may be a centre's or a service's as well.
            return not self.mention.id.isdecimal() or _OF_GUEST.search(path) is not None
        return any(text.strip().lower() in self.person for text in _texts(wanted))

    def _meet(self, said: Mapping[str, Any]) -> None:
        """Remember what is said of the guest's person."""
        texts = [said[field] for field in _PERSON if isinstance(said.get(field), str)]
        # Rules also read the number without its country code.
        texts += [text.partition(" ")[2] for text in texts if text.startswith("+")]
        self.person |= {text.strip().lower() for text in texts} - {""}

    def _add(self, keys: Iterable[Key]) -> None:
        self.things |= set(keys) - self._others - self._shared

    def _share(self, keys: Iterable[Key]) -> None:
        """Note that another guest has these, too; what names our guest itself is ours all the same."""
        shared = set(keys) - self._named - self._others
        self._shared |= shared
        self._leave(shared)

    def _is_near(self, keys: Iterable[Key]) -> bool:
        """Return whether one of these was taken for the guest's: of all others' things nothing needs to be known."""
        return any(key in self.things or key in self._shared for key in keys)

    def _leave(self, keys: set[Key]) -> None:
        self.things -= keys
        self._sure -= keys


def fact_without(guest: Key, key: Key, kept: str) -> str | None:
    """Return what is left of a fact without a guest; None for nothing, which a fact about the guest's own leaves."""
    lessons = facts.read(kept)
    if key.partition(" ")[0] == "session":
        left = [
            Lesson(at, event, {field: value for field, value in values.items() if field != guest})
            for at, event, values in lessons
        ]
        left = [lesson for lesson in left if lesson.values]
        return json.dumps(left, separators=(",", ":")) if left else None
    owner = dict(_pointers(lessons)).get("guest", guest)
    return None if guest in {key, owner} else kept


def _letters(text: str) -> str:
    """Return the letters and digits of a text, without marks and case: each form escapes and simplifies differently."""
    plain = unicodedata.normalize("NFKD", html.unescape(text)).casefold()
    return "".join(filter(str.isalnum, plain))


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a value of `match`."""
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _texts(item)


def _pointers(lessons: Sequence[Lesson]) -> Iterator[tuple[str, Key]]:
    for lesson in lessons:
        for field in ("guest", *KINDS):
            key = facts.key_of(field, lesson.values.get(field))
            if key is not None:
                yield field, key
