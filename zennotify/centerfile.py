"""What does centers.yaml say?  Its text -> Centers, and every error of it at once; rulefile calls it.

The text may come from the store, where it is kept with the rules that were in force.  Nothing in it is secret.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError

from zennotify import yamlfile
from zennotify.core.center import Center, Centers, Roles, key_of
from zennotify.core.hours import WEEKDAYS, HoursError, OpeningHours, Ranges, read_days, read_ranges
from zennotify.errors import ConfigError, Problem
from zennotify.spelling import did_you_mean
from zennotify.yamlfile import Document, Step, kind, parse_text, parse_texts, parse_time_zone

_Path = tuple[Step, ...]

_SECTIONS: Final = ("centers", "regions")
#: As the names of channels are.
_ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_COUNTRY, _CURRENCY = re.compile(r"[A-Z]{2}"), re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CenterFile:
    """What could be read, and everything that is wrong with it."""

    centers: Centers
    problems: tuple[Problem, ...]
    #: The names that `notify` may use beside channels, each with its first place; None where they are not known,
    #: because the file is no YAML.
    roles: Mapping[str, _Path] | None
    _document: Document | None

    def misnamed(self, told: Collection[str]) -> list[Problem]:
        """Return warnings for roles that no rule names, where `told` has a name that is nearly the same."""
        if self._document is None or self.roles is None:
            return []
        unused = {role: place for role, place in self.roles.items() if role not in told}
        hints = {role: did_you_mean(role, told) for role in unused}
        return [
            _problem(self._document, unused[role], f"no rule tells this role{hint}", key=True, warning=True)
            for role, hint in hints.items()
            if hint
        ]


def read_centers(text: str | None, name: str, channels: Collection[str] | None) -> CenterFile:
    """Read the text of a centers.yaml; None, because there is no such file, is no centres.

    `channels` are the names that a role may be given, or None for a file of the past, whose channels may be gone.
    """
    if text is None:
        return CenterFile(centers=Centers(channels=channels), problems=(), roles={}, _document=None)
    try:
        document = yamlfile.load(text.encode(), name)
    except ConfigError as error:
        return CenterFile(
            centers=Centers(channels=channels), problems=error.problems, roles=None, _document=None
        )
    reading = _Reading(document, channels)
    centers = reading.read()
    return CenterFile(
        centers=centers, problems=tuple(sorted(reading.problems)), roles=reading.roles, _document=document
    )


def _text(value: object) -> str:
    return parse_text(value).strip()


def _time_zone(value: object) -> str:
    return parse_time_zone(_text(value))


def _country(value: object) -> str:
    text = _text(value)
    if text.upper() == "UK":
        raise ValueError("the code of the United Kingdom is GB")
    return _code(text, _COUNTRY, "a country is two capital letters, e.g. US")


def _currency(value: object) -> str:
    return _code(_text(value), _CURRENCY, "a currency is three capital letters, e.g. USD")


def _code(text: str, form: re.Pattern[str], expected: str) -> str:
    if not form.fullmatch(text):
        hint = f"; did you mean `{text.upper()}`?" if form.fullmatch(text.upper()) else ""
        raise ValueError(f"{expected}, not `{text[:60]}`{hint}")
    return text


def _section(value: object, expected: str = "`key: value` lines are expected") -> Mapping[str, Any]:
    """Take a mapping; one whose lines are all comments is empty."""
    if value is not None and not isinstance(value, dict):
        raise ValueError(f"{expected}, not {kind(value)}")
    return value or {}


def _week(value: object) -> Mapping[str, Any]:
    return _section(value, 'days are expected, e.g. {mon-sat: "09:00-20:00", sun: closed}')


def _channels(value: object) -> Mapping[str, Any]:
    return _section(value, "names are expected, e.g. {front-desk: slack-bellevue}")


_Text = Annotated[str | None, PlainValidator(_text)]
_Channels = Annotated[Mapping[str, Any], PlainValidator(_channels)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _CenterEntry(_Entry):
    """One centre as it is written."""

    name: _Text = None
    region: _Text = None
    time_zone: Annotated[str | None, PlainValidator(_time_zone)] = None
    country: Annotated[str | None, PlainValidator(_country)] = None
    currency: Annotated[str | None, PlainValidator(_currency)] = None
    hours: Annotated[Mapping[str, Any], PlainValidator(_week)] = {}
    channels: _Channels = {}


class _RegionEntry(_Entry):
    """One region as it is written."""

    channels: _Channels = {}


_AnyEntry = TypeVar("_AnyEntry", bound=_Entry)


class _Reading:
    """One file on its way from values to Centers."""

    def __init__(self, document: Document, channels: Collection[str] | None) -> None:
        self.problems: list[Problem] = []
        self.roles: dict[str, _Path] = {}
        self._document = document
        self._channels = channels
        #: By each centre's id in lower case: as it was written first.
        self._ids: dict[str, str] = {}

    def read(self) -> Centers:
        """Return what can be read; what cannot is in `problems`."""
        whole = self._document.value
        if whole is None:
            sentence = "the file is empty; write centres below `centers:`, or delete it"
            self.problems.append(Problem(self._document.name, 0, 0, sentence))
        elif not isinstance(whole, dict):
            self._add((), f"`centers:` is expected, not {kind(whole)}")
        if not isinstance(whole, dict):
            return Centers(channels=self._channels)
        for key in whole:
            if key not in _SECTIONS:
                hint = did_you_mean(key, _SECTIONS) or "; centres go below `centers:`"
                self._add((key,), f"unknown key{hint}", key=True)
        regions = {name: self._region(name, raw) for name, raw in self._lines("regions").items()}
        centers = [self._center(name, raw, regions) for name, raw in self._lines("centers").items()]
        # Where something is wrong, the centre of a region may be what could not be read.
        wrong = any(not problem.warning for problem in self.problems)
        for name in regions.keys() - {center.region for center in centers} if not wrong else ():
            self._add(("regions", name), "no centre is in this region", key=True, warning=True)
        return Centers(centers, regions=regions, channels=self._channels)

    def _lines(self, section: str) -> Mapping[str, Any]:
        try:
            return _section(self._document.value.get(section))
        except ValueError as error:
            self._add((section,), str(error))
            return {}

    def _region(self, name: str, raw: Any) -> Roles:
        place = ("regions", name)
        entry = self._entry(_RegionEntry, place, raw)
        return self._roles((*place, "channels"), entry.channels)

    def _center(self, name: str, raw: Any, regions: Collection[str]) -> Center:
        self._check_id(name)
        place = ("centers", name)
        entry = self._entry(_CenterEntry, place, raw)
        region = entry.region
        if region is not None and region not in regions:
            hint = did_you_mean(region, regions) or "; write it below `regions:`"
            self._add((*place, "region"), f"there is no region `{region[:60]}`{hint}")
        return Center(
            id=name.strip(),
            name=entry.name,
            region=region,
            time_zone=entry.time_zone,
            country=entry.country,
            currency=entry.currency,
            hours=read_week(self._document, (*place, "hours"), entry.hours, self._add),
            roles=self._roles((*place, "channels"), entry.channels),
        )

    def _entry(self, form: type[_AnyEntry], place: _Path, raw: Any) -> _AnyEntry:
        """Read the keys of a centre or a region; those that cannot be read are reported and left out."""
        try:
            raw = _section(raw)
        except ValueError as error:
            self._add(place, str(error))
            raw = {}
        try:
            return form.model_validate(raw)
        except ValidationError as error:
            details = error.errors(include_url=False)
        wrong: set[Any] = set()
        for detail in details:
            wrong.add(detail["loc"][0])
            path = (*place, *detail["loc"])
            if detail["type"] == "extra_forbidden":
                known = tuple(form.model_fields)
                hint = did_you_mean(str(path[-1]), known) or f"; known are: {' '.join(known)}"
                self._add(path, f"unknown key{hint}", key=True)
            else:
                self._add(path, _nothing_at(self._document, path) or str(detail["ctx"]["error"]))
        return form.model_validate({key: value for key, value in raw.items() if key not in wrong})

    def _check_id(self, written: str) -> None:
        place = ("centers", written)
        key = key_of(written)
        if key is None:
            self._add(place, "the id of a centre is expected, this one is blank", key=True)
            return
        first = self._ids.setdefault(key, written)
        if first != written:
            line = self._document.where(("centers", first), key=True)[0]
            sentence = f"this centre is given twice: already on line {line}; ids compare without case"
            self._add(place, sentence, key=True)

    def _roles(self, place: _Path, raw: Mapping[str, Any]) -> Roles:
        roles: dict[str, tuple[str, ...]] = {}
        for role, value in raw.items():
            path = (*place, role)
            if not _ROLE.fullmatch(role):
                allowed = "letters, digits, `-`, `_` and `.`, at most 64"
                self._add(path, f"`{role[:60]}` is not a role's name: {allowed}", key=True)
                continue
            self.roles.setdefault(role, path)
            try:
                roles[role] = parse_texts(value)
            except ValueError as error:
                self._add(path, _nothing_at(self._document, path) or str(error))
                continue
            for index, channel in enumerate(value if isinstance(value, list) else [value]):
                self._check_channel((*path, index) if isinstance(value, list) else path, channel.strip())
        return roles

    def _check_channel(self, path: _Path, channel: str) -> None:
        if self._channels is None or channel in self._channels:
            return
        if "://" in channel:
            self._add(path, "`channels` takes names from `channels` in the configuration, not URLs")
        else:
            hint = did_you_mean(channel, self._channels)
            self._add(path, f"there is no channel `{channel[:60]}`{hint}")

    def _add(self, place: _Path, sentence: str, *, key: bool = False, warning: bool = False) -> None:
        self.problems.append(_problem(self._document, place, sentence, key=key, warning=warning))


class Say(Protocol):
    """Takes what is said of a place."""

    def __call__(self, place: _Path, sentence: str, *, key: bool = False, warning: bool = False) -> None:
        """Say it, of the value there or of its key."""


def read_week(document: Document, place: _Path, raw: Mapping[str, Any], say: Say) -> OpeningHours | None:
    """Read `{mon-fri: "09:00-20:00", sun: closed}`, which stands at a place; None where nothing does."""
    week: list[Ranges | None] = [None] * 7
    dates: dict[date, Ranges] = {}
    #: By which key each day was given.
    given: dict[int | date, str] = {}
    broken = False
    for key, value in raw.items():
        path = (*place, key)
        try:
            days = read_days(key)
        except HoursError as error:
            say(path, str(error), key=True)
            broken = True
            continue
        ranges = _ranges(document, path, value, say)
        for day in (days,) if isinstance(days, date) else days:
            if given.setdefault(day, key) != key:
                say(path, _twice(document, place, day, given[day]), key=True)
            if isinstance(day, date):
                dates[day] = ranges
            else:
                week[day] = ranges
    hours = OpeningHours(tuple(week), dates)
    if raw and hours.unknown_days and not broken:
        days_left_out = " ".join(hours.unknown_days)
        sentence = f"no hours are given for {days_left_out}: they are unknown, and count as open"
        say(place, sentence, key=True, warning=True)
    return hours if raw else None


def _twice(document: Document, place: _Path, day: int | date, other: str) -> str:
    name = day.isoformat() if isinstance(day, date) else WEEKDAYS[day]
    line = document.where((*place, other), key=True)[0]
    return f"{name} is given twice: already by `{other[:60]}` on line {line}"


def _ranges(document: Document, path: _Path, value: Any, say: Say) -> Ranges:
    if not isinstance(value, str):
        sentence = f"hours are written 09:00-20:00, `open` or `closed`, not {kind(value)}"
        say(path, _nothing_at(document, path) or sentence)
        return ()
    try:
        return read_ranges(value)
    except HoursError as error:
        say(path, str(error))
        return ()


def _nothing_at(document: Document, path: _Path) -> str:
    """Return a sentence when nothing at all stands at a place, else nothing."""
    if not document.is_blank(path):
        return ""
    comment = document.comment_after(path)
    return "there is no value" + (
        ": `#` starts a comment; put the text in quotes" if comment else "; write one, or delete the line"
    )


def _problem(
    document: Document, place: _Path, sentence: str, *, key: bool = False, warning: bool = False
) -> Problem:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step[:60]}" for step in place)
    label = "".join(steps).removeprefix(".")
    return document.problem(place, f"{label}: {sentence}" if label else sentence, key=key, warning=warning)
