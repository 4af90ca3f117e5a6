"""A year on paper: events and timers in the order of time, over the pure core, with a dictionary as the store.

Each step is what one transaction is in the daemon: an event that is decided, or a window whose time has come.  A crash
undoes the last steps, and they are done again.  The driver itself checks what no rule may break: time only moves
forward, a timer is never early, and no message is owed twice.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tests.fakes import START, make_event
from zennotify.core.center import Center, Centers
from zennotify.core.decide import aim, conclude, examine
from zennotify.core.digest import Digest
from zennotify.core.due import TIMED, fire
from zennotify.core.during import OPENING_HOURS, During, Hours, Otherwise
from zennotify.core.hours import OpeningHours, Ranges, read_days, read_ranges
from zennotify.core.model import Event, Names, moment_of
from zennotify.core.notify import Directory
from zennotify.core.path import Path, parse_path
from zennotify.core.rule import Rule, RuleSet
from zennotify.core.scene import Decision, Revision, Scene
from zennotify.core.silence import Silence
from zennotify.core.suppression import SuppressedBy
from zennotify.core.threshold import Threshold
from zennotify.core.wait import Opposite, Wait
from zennotify.core.window import Gathered, Window, WindowKey, Windows
from zennotify.zenoti.names import Names as NamesOfEvent

#: What events are of, where a test does not say it.
TYPE = "Class.Booking.NoShow"


class Sent(NamedTuple):
    """A message that is owed to one channel."""

    due: datetime
    rule: str
    channel: str
    #: The ids of the events that it tells of; of a digest, those that were gathered.
    events: tuple[str, ...]
    counted: int = 0
    held_back: int = 0
    step: int = 0
    #: When it was decided.
    decided: datetime = START


@dataclass
class Kept:
    """What the store would hold."""

    windows: dict[WindowKey, Window] = field(default_factory=dict)
    #: The last decision of each event and rule: the reason, and the detail.
    became: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    #: What names each message, as the store does.
    owed: set[tuple[Any, ...]] = field(default_factory=set)
    gathered: list[Gathered] = field(default_factory=list)
    #: How many of the events are decided.
    decided: int = 0
    now: datetime = START - timedelta(days=3650)

    def copy(self) -> Kept:
        return Kept(**{name: copy.copy(getattr(self, name)) for name in self.__dataclass_fields__})


class Timeline:
    """Some rules, and what comes of the events that they are given."""

    def __init__(
        self, *rules: Rule, directory: Directory | None = None, silences: Sequence[Silence] = ()
    ) -> None:
        self.directory = directory or Directory()
        self.load(*rules)
        self.silences = silences
        self.events: list[Event] = []
        self.kept = Kept()
        self._past: list[Kept] = []

    def load(self, *rules: Rule) -> None:
        """Take other rules, as a reload does."""
        self.rules = RuleSet("hash", rules, self.directory)

    # --- what happens -------------------------------------------------------------------------------------

    def event(
        self,
        now: datetime,
        event_type: str = TYPE,
        *,
        at: datetime | None = None,
        id_: str = "",
        **data: Any,
    ) -> str:
        """Let an event arrive, and be decided; without `at` it has just happened.  Returns its id."""
        self.arrive(now, event_type, at=at, id_=id_, **data)
        self.until(now)
        return self.events[-1].id

    def arrive(
        self,
        now: datetime,
        event_type: str = TYPE,
        *,
        at: datetime | None = None,
        id_: str = "",
        **data: Any,
    ) -> None:
        """Keep an event undecided, until the next step."""
        id_ = id_ or f"e{len(self.events) + 1}"
        self.events.append(make_event(event_type, data, id_=id_, at=at or now, received_at=now))

    def until(self, now: datetime) -> None:
        """Decide what has come, and fire what is due by `now`."""
        while self.step(now):
            pass

    def step(self, now: datetime) -> bool:
        """Do what is next by `now`; return whether there was something."""
        event = self.events[self.kept.decided] if self.kept.decided < len(self.events) else None
        until = now if event is None else min(now, event.received_at)
        timers = sorted(
            (window.due, key)
            for key, window in self.kept.windows.items()
            if window.due is not None and window.due <= until
        )
        if not timers and (event is None or event.received_at > now):
            return False
        self._past.append(self.kept)
        self.kept = self.kept.copy()
        if timers:
            self._fire(*timers[0])
        elif event is not None:
            self._decide(event)
        return True

    def crash(self, steps: int = 1) -> None:
        """Lose the last steps."""
        for _ in range(min(steps, len(self._past))):
            self.kept = self._past.pop()

    # --- what came of it ----------------------------------------------------------------------------------

    @property
    def told(self) -> list[str]:
        """Each message as `12:10 rule > channel: e1 e2`, in the order of their going out."""
        return [
            f"{one.due - START} {one.rule} > {one.channel}: {' '.join(one.events)}"
            for one in sorted(self.kept.sent, key=lambda one: one.due)
        ]

    def reason(self, event: str, rule: str = "r") -> str:
        return self.kept.became[event, rule][0]

    def detail(self, event: str, rule: str = "r") -> str:
        return self.kept.became[event, rule][1]

    # --- a transaction ------------------------------------------------------------------------------------

    def _decide(self, event: Event) -> None:
        place = self.kept.decided
        scene = self._scene(event, place, event.received_at)
        examined = examine(event, scene.names, self.rules)
        if self.directory.has_caps:
            examined = aim(examined, scene.names, self.rules)
        decisions, revisions = conclude(examined, scene)
        self._keep(scene, revisions)
        for decision in decisions:
            self._became(event, decision)
            self._owe(decision, (event.id,), scene.now, f"event {place}")
        self.kept.decided += 1

    def _fire(self, due: datetime, key: WindowKey) -> None:
        window = self.kept.windows[key]
        assert key.stage in TIMED
        assert window.event is not None or window.number is None
        rule = self.rules.by_id[key.rule]
        place = window.event if window.event is not None else 0
        event = self.events[place]
        scene = self._scene(event, place, due)
        fired = fire(key, window, rule, scene)
        self._keep(scene, fired.revisions)
        if fired.is_new:
            self._became(event, fired.decision)
        told: tuple[str, ...] = (event.id,)
        if fired.number is not None:
            told = tuple(
                self.events[one.place].id for one in self.kept.gathered if one.number == fired.number
            )
        self._owe(fired.decision, told, due, f"event {place}" if fired.number is None else str(fired.number))

    def _scene(self, event: Event, place: int, now: datetime) -> Scene:
        assert now >= self.kept.now, "time only moves forward"
        self.kept.now = now
        numbers = count(max((one.number for one in self.kept.gathered), default=0) + 1)
        return Scene(
            names=NamesOfEvent(event, centers=self.directory.centers),
            rules=self.rules,
            windows=Windows(self.kept.windows, lambda: next(numbers)),
            silences=self.silences,
            place=place,
            event=event.id,
            at=moment_of(event),
            now=now,
        )

    def _keep(self, scene: Scene, revisions: Sequence[Revision]) -> None:
        for key, window in scene.windows.changed.items():
            if window is None:
                self.kept.windows.pop(key, None)
            else:
                if window.due is not None:
                    assert window.due >= scene.now, "what is due was due before"
                    assert window.due.tzinfo is UTC, "moments are added in UTC"
                self.kept.windows[key] = window
        self.kept.gathered += scene.windows.gathered
        for one in revisions:
            places = (
                [each.place for each in self.kept.gathered if each.number == one.place]
                if one.is_of_gathered
                else [one.place]
            )
            for place in places:
                became = (self.events[place].id, one.rule)
                assert became in self.kept.became, "there is nothing to revise"
                self.kept.became[became] = (one.reason.value, one.detail)

    def _became(self, event: Event, decision: Decision) -> None:
        self.kept.became[event.id, decision.rule] = (decision.reason.value, decision.detail)

    def _owe(self, decision: Decision, events: tuple[str, ...], now: datetime, about: str) -> None:
        for duty in decision.duties:
            name = (about, decision.rule, duty.channel, duty.recipient, duty.step)
            assert name not in self.kept.owed, "no message is owed twice"
            self.kept.owed.add(name)
            assert duty.due >= now
            self.kept.sent.append(
                Sent(
                    due=duty.due,
                    rule=decision.rule,
                    channel=duty.channel,
                    events=events,
                    counted=duty.counted,
                    held_back=duty.held_back,
                    step=duty.step,
                    decided=now,
                )
            )


# --- rules and centres in few words ---------------------------------------------------------------------------


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def at(number: float) -> datetime:
    """So many minutes after the start of the year on paper."""
    return START + timedelta(minutes=number)


def paths(*per: str) -> tuple[Path, ...]:
    return tuple(parse_path(path) for path in per)


def threshold(number: int, within: timedelta, *per: str) -> Threshold:
    return Threshold(count=number, within=within, per=paths(*per))


def wait(
    period: timedelta,
    *unless: str,
    per: Sequence[str] = ("data.id",),
    after: Callable[[Names], datetime | None] | None = None,
) -> Wait:
    opposites = (Opposite(events=tuple(one.casefold() for one in unless)),) if unless else ()
    path = parse_path("data.start") if after else None
    return Wait(
        text="a while", period=period, after=after, after_path=path, unless=opposites, per=paths(*per)
    )


def digest(
    every: timedelta | None = None,
    *per: str,
    at: int | None = None,
    immediate: bool = False,
    is_of_center: bool = False,
) -> Digest:
    return Digest(every=every, at=at, per=paths(*per), immediate=immediate, is_of_center=is_of_center)


def suppressed_by(rule: str, within: timedelta, *same: str) -> SuppressedBy:
    return SuppressedBy(rule=rule, same=paths(*same), within=within)


def during(text: str = OPENING_HOURS) -> During:
    """`08:00-21:00`, or the opening hours of the event's centre."""
    return During(text=text, hours=None if text == OPENING_HOURS else OpeningHours((read_ranges(text),) * 7))


def hours(text: str, otherwise: Otherwise = Otherwise.HOLD, *notify: str) -> Hours:
    return Hours(during=during(text), otherwise=otherwise, notify=notify)


def opening_hours(week: str = "", **dates: str) -> OpeningHours:
    """`opening_hours("mon-fri 09:00-20:00; sun closed", d20261225="closed")`."""
    days: list[Ranges | None] = [None] * 7
    for part in filter(None, week.split("; ")):
        names, _, text = part.partition(" ")
        numbers = read_days(names)
        assert isinstance(numbers, tuple)
        for number in numbers:
            days[number] = read_ranges(text)
    return OpeningHours(
        tuple(days),
        {datetime.fromisoformat(day[1:]).date(): read_ranges(text) for day, text in dates.items()},
    )


def directory_of(
    *centers: Center,
    local: Callable[[Names | None, datetime], datetime] | None = None,
    **more: Any,
) -> Directory:
    if local is not None:
        more["local"] = local
    return Directory(centers=Centers(centers), **more)


def clock_of(**zones: str) -> Callable[[Names | None, datetime], datetime]:
    """Return the clock of each centre, by its id; `usual` where there are no names, or it is another one."""
    known = {center: ZoneInfo(name) for center, name in zones.items()}

    def local(names: Names | None, moment: datetime) -> datetime:
        center = None if names is None else names["center"]["id"]
        return moment.astimezone(known.get(center or "usual", known["usual"]))

    return local
