"""How a guest is forgotten: what is found of the guest, and how it is erased in small parts.

`find` only reads, beside a running daemon; `parts` cuts what was found into transactions that keep nobody waiting.
Whoever holds the store runs them: the daemon (app.py) or, where none runs, the command itself (cli/forget.py).

The guest's name goes first, so that no message is written with it from then on; then windows, the texts of others,
quarantined bodies and silences; then the events, and last the bookings that lead to the rest, so that a run that was
interrupted is made good by another.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

from zennotify.core.cap import recipient_key
from zennotify.core.model import Event
from zennotify.core.window import Stage, WindowKey
from zennotify.store import Reader
from zennotify.store.erasing import Emptied
from zennotify.store.rows import KeptEvent
from zennotify.store.transaction import Transaction
from zennotify.store.views import DigestView
from zennotify.zenoti.belongings import Bearing, Belongings, fact_without
from zennotify.zenoti.event import Reading, reopen
from zennotify.zenoti.facts import Key
from zennotify.zenoti.memory import Memory
from zennotify.zenoti.mention import Mention
from zennotify.zenoti.names import Names

#: Events of one transaction: each is a few rows of each table.
_BATCH: Final = 100
_MOST_QUARANTINED: Final = 1_000

#: Told how many rows of what have been read.
Progress = Callable[[str, int], None]


class Part(NamedTuple):
    """What one transaction erases; as JSON it is a mapping."""

    guest: Key
    events: Sequence[str] = ()
    #: Events about the guest's things: their messages lose their texts, and go where they are to the guest.
    about: Sequence[str] = ()
    #: Events of others, whose messages name the guest: these lose their texts.
    quoted: Sequence[str] = ()
    #: The numbers of others' digests that name the guest: likewise.
    digests: Sequence[int] = ()
    windows: Sequence[Sequence[str]] = ()
    quarantine: Sequence[int] = ()
    facts: Sequence[Key] = ()
    silences: Sequence[str] = ()


@dataclass(slots=True)
class Found:
    """What there is of a guest."""

    guest: Key
    #: Whether the guest is known at all; otherwise nothing is to be erased.
    is_known: bool = False
    #: Ids of events that name the guest.
    events: set[str] = field(default_factory=set)
    #: Ids of events that name only the guest's things; messages with the guest's name may have been made of them.
    about: set[str] = field(default_factory=set)
    #: Ids of events about the guest's classes, and of others' bookings of these.
    of_classes: set[str] = field(default_factory=set)
    #: Ids of other events, of which messages were made that name the guest.
    quoted: set[str] = field(default_factory=set)
    #: The numbers of digests that name the guest, though none of their events does.
    quoting: set[int] = field(default_factory=set)
    #: The numbers of all others' digests that lose their texts.
    digests: set[int] = field(default_factory=set)
    windows: list[WindowKey] = field(default_factory=list)
    quarantine: list[int] = field(default_factory=list)
    #: The ids of silences that mute what is told of the guest.
    silences: list[str] = field(default_factory=list)
    #: The fact of the guest, and those of the classes that the guest is remembered in.
    facts: list[Key] = field(default_factory=list)
    #: The guest's bookings, invoices, memberships and packages, as far as there are facts of them.
    things: list[Key] = field(default_factory=list)
    #: Messages that wait, and will not be sent.
    waiting: int = 0


def find(reader: Reader, own: Belongings, reading: Reading, progress: Progress) -> Found:
    """Return what there is of a guest; `own` has read nothing yet."""
    found = Found(own.guest)
    have_facts: set[Key] = set()
    before: tuple[int, ...] | None = None
    while own.extent != before:  # an event may name a booking that no fact knows, and that leads to others
        have_facts |= _read_facts(reader, own, progress)
        before = own.extent
        _sort_events(found, _events(reader, own, reading, progress), own)
    # Somebody may have silenced a guest of whom nothing has come yet.
    named = own.mention.is_telling and any(own.is_in_match(one.match) for one in reader.silences())
    if not own.is_known and not named:
        return Found(own.guest)
    found.is_known = True
    found.waiting = reader.count_waiting(found.events) + reader.count_waiting(found.about, addressed=True)
    addresses = reader.recipients(found.events | found.about) | _find_digests(reader, found)
    _find_quotes(reader, own, found)
    found.windows = list(_windows(reader, own, addresses, progress))
    bodies = reader.quarantine(most=_MOST_QUARANTINED)
    found.quarantine = [row.id for row in bodies if own.is_in_text(row.body)]
    found.silences = [one.id for one in reader.silences() if own.is_in_match(one.match)]
    found.facts = [*([own.guest] if own.has_fact else ()), *sorted(own.classes)]
    found.things = sorted(own.things & have_facts)
    return found


def _sort_events(found: Found, those: Iterable[tuple[str, Event]], own: Belongings) -> None:
    found.events, found.about, found.of_classes = (
        set(),
        set(),
        set(),
    )  # what another reading takes for another's, too
    kinds = {
        Bearing.PERSONAL: found.events,
        Bearing.ABOUT_THINGS: found.about,
        Bearing.OF_CLASS: found.of_classes,
    }
    for id_, event in those:
        kind = kinds.get(own.read_event(event))
        if kind is not None:
            kind.add(id_)


def _find_digests(reader: Reader, found: Found) -> set[str]:
    """Find what becomes of the digests that tell of the guest's events; return the guest's addresses among theirs."""
    addresses: set[str] = set()
    for digest in reader.digests(found.events | found.about):
        if _goes(digest, found):
            found.waiting += digest.is_open
            addresses |= {digest.recipient} - {""}
        elif digest.has_text:
            found.digests.add(digest.number)
    return addresses


def _goes(digest: DigestView, found: Found) -> bool:
    """Return whether a digest tells of nobody else, or goes to the guest."""
    is_to_guest = bool(digest.recipient) and digest.events[-1] in found.events | found.about
    return is_to_guest or found.events.issuperset(digest.events)


def _find_quotes(reader: Reader, own: Belongings, found: Found) -> None:
    """Find the messages of others that name the guest."""
    texts = [one for one in reader.messages_of(found.of_classes) if own.is_named_in(one.text)]
    if own.mention.is_telling:  # any other id may be a word or a number of another's message
        texts += [one for one in reader.messages_with(own.mention.id) if own.mention.in_text(one.text)]
    found.quoted = {one.event for one in texts if one.event is not None} - found.events - found.about
    found.quoting = {one.digest for one in texts if one.digest is not None} - found.digests
    found.digests |= found.quoting


def _read_facts(reader: Reader, own: Belongings, progress: Progress) -> set[Key]:
    """Learn which things are the guest's; return the keys of the facts that were looked into."""
    looked_into: set[Key] = set()
    before: tuple[int, ...] | None = None
    while own.extent != before:  # a booking's row leads to its invoice's, which may lie before it
        before = own.extent
        wanted = own.wanted()
        count = 0
        for page in reader.all_facts():
            for key, kept in page:
                if key == own.guest or key in own.things or wanted.may_be_in(kept.encode()):
                    looked_into.add(key)
                    own.read_fact(key, kept)
            count += len(page)
            progress("facts", count)
    return looked_into


def _events(
    reader: Reader, own: Belongings, reading: Reading, progress: Progress
) -> Iterator[tuple[str, Event]]:
    """Yield the events, by their ids, that may name the guest or one of the guest's things."""
    wanted = own.wanted_of_events()
    count = 0
    for page in reader.all_events():
        for kept in page:
            if wanted.may_be_in(kept.body):
                yield kept.id, _opened(kept, reading)
        count += len(page)
        progress("events", count)


def _windows(reader: Reader, own: Belongings, addresses: Set[str], progress: Progress) -> Iterator[WindowKey]:
    """Yield the names of the windows of the guest's; `addresses` are those that messages for the guest went to."""
    # Caps are counted by what stands for a number.
    counted = set(map(recipient_key, addresses))
    count = 0
    for page in reader.all_windows():
        for window in page:
            is_to_guest = window.stage == Stage.LATE and window.key.partition(" ")[2] in addresses
            if is_to_guest or window.key in counted or own.is_in_window(window.key):
                yield window
        count += len(page)
        progress("windows", count)


def _opened(kept: KeptEvent, reading: Reading) -> Event:
    try:
        return reopen(kept.body, kept.received_at, reading, kept.type)
    except ValueError:  # an earlier version took it for one: it is searched as a text
        text = kept.body.decode(errors="replace")
        return Event(
            id=kept.id,
            event_id="",
            type=kept.type,
            kind=kept.type.casefold(),
            at=None,
            received_at=kept.received_at,
            data={"body": [text, *text.split('"')]},
        )


def parts(found: Found) -> Iterator[Part]:
    """Yield what is to be erased, a transaction at a time and in this order; then come the `last_parts`."""
    for facts in _batches(found.facts):
        yield Part(found.guest, facts=facts)
    # Before the events: what a window of the guest's waits for is not to be kept for it.
    for windows in _batches(found.windows):
        yield Part(found.guest, windows=windows)
    for quoted in _batches(sorted(found.quoted)):
        yield Part(found.guest, quoted=quoted)
    for digests in _batches(sorted(found.quoting)):
        yield Part(found.guest, digests=digests)
    for about in _batches(sorted(found.about)):
        yield Part(found.guest, about=about)
    for numbers in _batches(found.quarantine):
        yield Part(found.guest, quarantine=numbers)
    for silences in _batches(found.silences):
        yield Part(found.guest, silences=silences)
    for events in _batches(sorted(found.events)):
        yield Part(found.guest, events=events)


def last_parts(found: Found) -> Iterator[Part]:
    """Yield what leads to the rest, once nothing of that is left."""
    for things in _batches(found.things):
        yield Part(found.guest, facts=things)


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]


def erase(transaction: Transaction, part: Part, reading: Reading, *, alone: bool) -> Counter[str]:
    """Erase a part, and count what went, by kind; `alone`: nobody decides or sends meanwhile."""
    erased: Counter[str] = Counter()
    if part.facts:
        erased["facts"] = _erase_facts(transaction, part.guest, part.facts)
    if part.events:
        empty = partial(_emptied, transaction, part.guest, reading)
        erased += transaction.erase_events(part.events, alone=alone, empty=empty)
    if part.about:
        erased += transaction.erase_addressed(part.about, alone=alone)
    told = [*part.about, *part.quoted]
    if told or part.digests:
        erased += transaction.erase_texts(told, part.digests, alone=alone)
    erased["windows"] = transaction.erase_windows(WindowKey(*key) for key in part.windows)
    if part.quarantine:
        erased["quarantine"] = transaction.erase_quarantine(part.quarantine)
    if part.silences:
        erased["silences"] = transaction.erase_silences(part.silences)
    return erased


def _emptied(transaction: Transaction, guest: Key, reading: Reading, kept: KeptEvent) -> Emptied:
    """Return what is left of an event of the guest's that an alarm needs: its type, its time and its centre."""
    event = _opened(kept, reading)
    names = Names(event, Memory(transaction.facts, reading.class_times).recall)
    center = names["center"]["id"]
    # A sender that makes ids of its own may have named the guest in it.
    is_named = Mention(guest.partition(" ")[2]).in_text(event.event_id)
    event_id = kept.id if is_named or not event.event_id else event.event_id
    left: dict[str, Any] = {"event_id": event_id, "event_type": kept.type}
    if event.at is not None:
        left["event_timestamp"] = event.at.isoformat()
    left["data"] = {} if center is None else {"center_id": center}
    return Emptied(event_id, json.dumps(left).encode())


def _erase_facts(transaction: Transaction, guest: Key, keys: Sequence[Key]) -> int:
    kept: Mapping[Key, str] = transaction.facts(keys)
    left = {key: fact_without(guest, key, lessons) for key, lessons in kept.items()}
    changed = {key: lessons for key, lessons in left.items() if lessons != kept[key]}
    transaction.rewrite_facts(changed)
    return len(changed)
