"""Compile the keys of a rule that know time into the core's values.  Called by onerule.py; timekeys.py read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from zennotify.centerfile import read_week
from zennotify.core.absent import FORGOTTEN_AFTER, Absent
from zennotify.core.digest import Digest
from zennotify.core.during import During, Hours, Otherwise
from zennotify.core.escalation import Step
from zennotify.core.hours import OpeningHours
from zennotify.core.match import Clause
from zennotify.core.path import EVERY, Path, PathError
from zennotify.core.suppression import SuppressedBy
from zennotify.core.threshold import Threshold
from zennotify.core.wait import Opposite, Wait
from zennotify.rulefile.clauses import read_clauses, read_path
from zennotify.rulefile.examine import Asked
from zennotify.rulefile.meant import nearest_type
from zennotify.rulefile.remarks import Place, Remarks
from zennotify.rulefile.roles import check_told, may_meet
from zennotify.rulefile.shared import Shared
from zennotify.rulefile.timekeys import (
    AbsentEntry,
    DigestEntry,
    For,
    HoursEntry,
    OppositeEntry,
    StepEntry,
    SuppressedEntry,
    ThresholdEntry,
    WaitEntry,
)
from zennotify.zenoti.fields import spell_path

#: The names that are times; of `data` only the event knows.
_TIMES: Final = (
    "event.at",
    "event.received_at",
    "group.start",
    "group.end",
    "group.start_in_center",
    "session.start",
    "session.end",
    "membership.expiry",
)
#: So far ahead it is looked for time within the hours that `absent` counts.
_DAYS_AHEAD: Final = FORGOTTEN_AFTER.days


def check_events(remarks: Remarks, shared: Shared, place: Place, events: Sequence[str]) -> None:
    """Say which event types there are not."""
    for event in events:
        if shared.knows(event.casefold()):
            continue
        what = "fits no event type" if "*" in event else "is not an event type"
        hint = nearest_type(event, shared.event_types)
        # Zenoti may send a type that is new; one with a blank is rather two that were written as one.
        harmless = " " not in event or shared.told is None
        remarks.add(remarks.place(place), f"`{event}` {what} that zennotify knows{hint}", warning=harmless)


def read_keys(
    remarks: Remarks, asked: Asked, place: Place, texts: Sequence[str], so: str
) -> tuple[Path, ...]:
    """Read the paths of `per`; `so` says what follows where one of them is not known."""
    paths: list[Path] = []
    for text in texts:
        where = remarks.part(*place, text)
        try:
            paths.append(read_path(text))
        except PathError as error:
            remarks.add(where, str(error))
        else:
            asked.keys.append((where, paths[-1], so))
    return tuple(paths)


class TimeKeys:
    """Compiles what one rule says of time."""

    def __init__(
        self, remarks: Remarks, shared: Shared, asked: Asked, match: Sequence[Clause], *, enabled: bool
    ) -> None:
        """Take where to say what is wrong, what was asked of the rule's events so far, and the rule's clauses.

        Of a rule that is switched off it is not said what it lacks elsewhere.
        """
        self._remarks = remarks
        self._shared = shared
        self._asked = asked
        self._match = match
        self._enabled = enabled

    def threshold(self, entry: ThresholdEntry | None) -> Threshold | None:
        """Compile `threshold`."""
        if entry is None:
            return None
        if entry.count == 1:
            sentence = "with 1 every event passes; count more, or leave `threshold` out"
            self._remarks.add(("threshold", "count"), sentence, warning=True)
        per = self._keys(("threshold", "per"), entry.per, "nothing is counted")
        return Threshold(count=entry.count, within=entry.within, per=per)

    def suppressed_by(self, entry: SuppressedEntry | None) -> SuppressedBy | None:
        """Compile `suppressed_by`; whether there is such a rule is asked by between.py."""
        if entry is None:
            return None
        same = self._keys(("suppressed_by", "same"), entry.same, "nothing is suppressed")
        return SuppressedBy(rule=entry.rule, same=same, within=entry.within)

    def hours(self, entry: HoursEntry | None) -> Hours | None:
        """Compile `hours`."""
        if entry is None:
            return None
        during = self._during(("hours", "during"), entry.during)
        if entry.otherwise in {(Otherwise.HOLD,), (Otherwise.DROP,)}:
            return Hours(during=during, otherwise=Otherwise(entry.otherwise[0]))
        check_told(
            self._remarks,
            self._shared,
            ("hours", "otherwise"),
            entry.otherwise,
            self._match,
            words=(Otherwise.HOLD, Otherwise.DROP),
        )
        return Hours(during=during, otherwise=Otherwise.ELSEWHERE, notify=entry.otherwise)

    def wait(self, entry: WaitEntry | None) -> Wait | None:
        """Compile `wait`."""
        if entry is None:
            return None
        per = self._keys(("wait", "per"), entry.per, "nothing is withdrawn")
        if entry.unless and not entry.per:
            sentence = "`unless` needs `per`, which says whose message is withdrawn, e.g. per: membership.id"
            self._remarks.add(("wait",), sentence)
        after = self._moment(entry.period)
        return Wait(
            text=entry.period.text,
            period=entry.period.period,
            after=None if after is None else self._shared.moment(after),
            after_path=after,
            unless=tuple(
                self._opposite(("wait", "unless", index), one, per) for index, one in enumerate(entry.unless)
            ),
            per=per,
        )

    def digest(self, entry: DigestEntry | None) -> Digest | None:
        """Compile `digest`."""
        if entry is None:
            return None
        if entry.every is not None and entry.at is not None:
            sentence = "`every` and `at` are both given; one of them says when the message goes out"
            self._remarks.add(("digest", "at"), sentence, key=True)
        elif entry.every is None and entry.at is None:
            sentence = '`every` or `at` is missing, e.g. {every: 15m} or {at: "18:00"}'
            self._remarks.add(("digest",), sentence)
        per = self._keys(("digest", "per"), entry.per, "all are told together")
        return Digest(
            every=entry.every,
            at=entry.at,
            per=per,
            immediate=entry.immediate,
            is_of_center=[path.steps for path in per] == [("center", "id")],
        )

    def absent(self, entry: AbsentEntry | None) -> Absent | None:
        """Compile `absent`; its events are those of the rule."""
        if entry is None:
            return None
        per = self._keys(("absent", "per"), entry.per, "nothing is missed")
        if entry.period >= FORGOTTEN_AFTER:
            sentence = f"it must be shorter than {_DAYS_AHEAD}d: what has not come for so long is forgotten"
            self._remarks.add(("absent", "for"), sentence)
        during = None
        if entry.during is not None:
            during = self._during(("absent", "during"), entry.during)
            if during.hours is not None and _open_at_most(during.hours) < entry.period < FORGOTTEN_AFTER:
                sentence = (
                    f"in {_DAYS_AHEAD} days there is not so much time within `during`: it is never told"
                )
                self._remarks.add(("absent", "for"), sentence)
        return Absent(period=entry.period, per=per, during=during)

    def escalate(self, entries: Sequence[StepEntry]) -> tuple[Step, ...]:
        """Compile `escalate`."""
        if entries and self._enabled and self._shared.lacks_public_url:
            sentence = (
                "`escalate` needs `server.public_url` in the configuration: "
                "without it there is no page where somebody can acknowledge"
            )
            self._remarks.add(("escalate",), sentence, key=True)
        before: timedelta | None = None
        for index, entry in enumerate(entries):
            place: Place = ("escalate", index)
            if before is not None and entry.after <= before:
                sentence = "it must be later than the step before it; all count from the message itself"
                self._remarks.add((*place, "after"), sentence)
            before = entry.after
            check_told(self._remarks, self._shared, (*place, "notify"), entry.notify, self._match)
            self._warn_of_guests((*place, "notify"), entry.notify)
        return tuple(Step(entry.after, entry.notify) for entry in entries)

    def _warn_of_guests(self, place: Place, names: Sequence[str]) -> None:
        """Warn of channels that tell guests what somebody is to acknowledge."""
        for name in names:
            if self._shared.recipients(name):
                sentence = f"`{name[:60]}` tells a guest, who gets no link to take it"
                self._remarks.add(self._remarks.part(*place, name), sentence, warning=True)

    # --- parts --------------------------------------------------------------------------------------------------

    def _keys(self, place: Place, texts: Sequence[str], so: str) -> tuple[Path, ...]:
        return read_keys(self._remarks, self._asked, place, texts, so)

    def _opposite(self, place: Place, entry: OppositeEntry, per: Sequence[Path]) -> Opposite:
        check_events(self._remarks, self._shared, (*place, "event"), entry.event)
        asked = Asked(events=entry.event, heard=self._shared.listens_to(entry.event))
        clauses = tuple(read_clauses(self._remarks, (*place, "match"), entry.match, asked.clauses))
        where = self._remarks.place(("wait", "per"))
        asked.keys = [(where, path, "it withdraws nothing") for path in per]
        self._asked.others.append(asked)
        return Opposite(events=asked.heard, match=clauses, text=", ".join(entry.event))

    def _moment(self, entry: For) -> Path | None:
        """Return the path of the moment that a wait counts from."""
        if not entry.after:
            return None
        place = ("wait", "for")
        try:
            path = read_path(entry.after)
        except PathError as error:
            self._remarks.add(place, str(error))
            return None
        if EVERY in path.steps:
            first = spell_path([0 if step is EVERY else step for step in path.steps])
            self._remarks.add(place, f"`{path.text}` names several moments; write `{first}` for the first")
        elif path.root != "data" and path.text not in _TIMES:
            self._remarks.add(place, f"`{path.text}` is not a time; there are: {' '.join(_TIMES)}")
        else:
            self._asked.moments.append((place, path))
        return path

    def _during(self, place: Place, entry: During | Mapping[str, Any]) -> During:
        if isinstance(entry, During):
            if entry.hours is None:
                self._report_unknown_hours(place)
            return entry
        skipped, were_good = len(self._remarks.at), not self._remarks.failed

        def say(place: Place, sentence: str, *, key: bool = False, warning: bool = False) -> None:
            # Of the whole file, not of the rule.
            self._remarks.add(place[skipped:], sentence, key=key, warning=warning)

        hours = read_week(self._remarks.document, (*self._remarks.at, *place), entry, say)
        if hours is not None and were_good and not self._remarks.failed and hours.is_never_open:
            say((*self._remarks.at, *place), "it is closed on all days", key=True)
        return During(text=", ".join(f"{days} {times}" for days, times in entry.items()), hours=hours)

    def _report_unknown_hours(self, place: Place) -> None:
        """Warn of the centres that the rule may meet and whose hours nobody knows."""
        if self._shared.told is None or not self._enabled:  # nothing is known of the centres
            return
        met = [center for center in self._shared.centers if may_meet(self._match, center)]
        unknown = [center for center in met if center.hours is None]
        if len(unknown) == len(met):
            sentence = "no centre in centers.yaml has `hours`: all count as open"
        elif unknown:
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            sentence = f"centers.yaml has no `hours` for {unknown[0]}{more}: unknown hours count as open"
        else:
            return
        self._remarks.add(place, sentence, warning=True)


def _open_at_most(hours: OpeningHours) -> timedelta:
    """Return at most how long it is open until an absence is forgotten; single dates are not looked at."""
    if hours.dates or hours.unknown_days:
        return FORGOTTEN_AFTER
    minutes = sum(closes - opens for ranges in hours.week for opens, closes in ranges or ())
    return timedelta(minutes=minutes) * (_DAYS_AHEAD // 7)
