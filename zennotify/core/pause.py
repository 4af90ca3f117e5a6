"""When is a whole channel left alone, and for how long?  One mechanism for every reason.

A channel is paused because the provider asks it to wait (429), because it may not send at all (a token is wrong), or
because it only fails.  When the pause is over one message tries, the probe: it ends the pause, or makes it longer.

::

    sends --429, or a wish to wait----------> limited   until the provider's moment, at most 1 h
    sends --401, a certificate, refusals----> blocked   1 m, 5 m, 15 m, 1 h, 1 h, ...
    sends --as many failures as threads-----> failing   5 s, 15 s, 30 s, 1 m, 1 m, ...
    any --its probe arrives-----------------> sends

Pure; called by the outbox's carriers with each result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from zennotify.core.model import Outcome, Result
from zennotify.core.retry import LONGEST_WISH, wish


class Cause(StrEnum):
    """Why a channel is paused."""

    LIMITED = "limited"
    BLOCKED = "blocked"
    FAILING = "failing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A channel that may not send."""

    cause: Cause
    #: When it began, through all its probes.
    since: datetime
    #: When the next probe may go.
    until: datetime
    #: The probes that failed.
    probes: int = 0
    #: What the provider said, for the operator.
    detail: str = ""
    #: Whether messages were refused, and are dead, before it began.
    has_refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a channel fares."""

    pause: Pause | None = None
    #: Failures in a row, and refusals in a row.
    failures: int = 0
    refusals: int = 0


#: The wait after the pause's beginning, after its first failed probe, ...; the last one is repeated.
_WAITS: Final[Mapping[Cause, Sequence[timedelta]]] = {
    Cause.LIMITED: tuple(timedelta(seconds=seconds) for seconds in (5, 15, 30, 60, 300)),
    Cause.BLOCKED: tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60)),
    Cause.FAILING: tuple(timedelta(seconds=seconds) for seconds in (5, 15, 30, 60)),
}
#: So long a pause may last before somebody has to hear of it.
_TELL_AFTER: Final = {
    Cause.LIMITED: timedelta(minutes=15),
    Cause.BLOCKED: timedelta(0),
    Cause.FAILING: timedelta(minutes=5),
}
#: Refusals of different messages in a row that say something of the channel, and not of the messages.
_REFUSALS: Final = 3


def heed(
    health: Health,
    result: Result,
    now: datetime,
    *,
    fraction: float,
    threads: int,
    is_probe: bool,
    is_by_hand: bool = False,
    refusals_count: bool = True,
) -> Health:
    """Return how a channel fares after one more result.

    `fraction` (0 to 1) is the jitter; a channel fails when `threads` sends in a row do.  Only a probe, which began
    after the pause, ends a pause or makes it longer: what was under way when it began says nothing new.
    Who tries by hand (`is_by_hand`) may end a pause, and makes none longer.
    `refusals_count`: whether refusals may be the channel's fault, as they are not where each recipient is another.
    """
    paused = health.pause
    if result.outcome is Outcome.SENT:
        return Health() if paused is None or is_probe else health
    cause = _cause(result)
    failures = health.failures + (result.outcome in {Outcome.TEMPORARY, Outcome.UNKNOWN})
    refusals = health.refusals + 1 if result.outcome is Outcome.PERMANENT and refusals_count else 0
    if cause is None:
        if failures >= threads and result.outcome is not Outcome.PERMANENT:
            cause = Cause.FAILING
        elif refusals >= max(_REFUSALS, threads):
            cause = Cause.BLOCKED
    if paused is not None and not is_probe:
        return replace(health, pause=_extended(paused, result, now))
    if paused is not None and paused.cause is Cause.BLOCKED and refusals:
        cause = Cause.BLOCKED  # refusals may be what it was paused for
    if result.outcome is Outcome.PERMANENT and cause is None:
        return Health(refusals=refusals)  # the channel works
    if cause is None and paused is None:
        return Health(failures=failures)
    # A probe that fails in whatever way makes the pause longer.
    cause = cause or (paused.cause if paused is not None else Cause.FAILING)
    return Health(
        pause=_next(paused, cause, result, now, fraction, refusals > 0, is_by_hand=is_by_hand),
        failures=failures,
        refusals=refusals,
    )


def _next(
    paused: Pause | None,
    cause: Cause,
    result: Result,
    now: datetime,
    fraction: float,
    has_refused: bool,
    *,
    is_by_hand: bool,
) -> Pause:
    """Return the first pause, or the next one."""
    if paused is not None and is_by_hand:
        until = max(paused.until, now + wish(result))
        return replace(paused, cause=cause, until=until, detail=result.detail)
    pause = Pause(
        cause=cause,
        since=now if paused is None else paused.since,
        until=now,
        probes=0 if paused is None else paused.probes + 1,
        detail=result.detail,
        has_refused=has_refused or (paused is not None and paused.has_refused),
    )
    return replace(pause, until=now + _wait(pause, result, fraction))


def _cause(result: Result) -> Cause | None:
    """Return why a single result stops the whole channel; None where it does not."""
    if result.outcome is Outcome.BLOCKED:
        return Cause.BLOCKED
    if result.outcome is Outcome.TEMPORARY and (result.of_channel or result.retry_after is not None):
        return Cause.LIMITED
    return None


def _wait(pause: Pause, result: Result, fraction: float) -> timedelta:
    waits = _WAITS[pause.cause]
    wait = waits[min(pause.probes, len(waits) - 1)] * ((1 + fraction) / 2)
    return max(wait, wish(result))


def _extended(pause: Pause, result: Result, now: datetime) -> Pause:
    """Return a pause that heeds what another message, sent before it began, was told."""
    until = now + wish(result)
    if result.outcome is Outcome.BLOCKED and pause.cause is not Cause.BLOCKED:
        until = max(until, now + _WAITS[Cause.BLOCKED][0])
        return replace(pause, cause=Cause.BLOCKED, until=max(pause.until, until), detail=result.detail)
    return replace(pause, until=max(pause.until, until))


def hastened(pause: Pause, now: datetime) -> Pause:
    """Return a pause whose next probe goes at once, because somebody asks for it; failing, it makes none longer."""
    return replace(resumed(pause, now), probes=max(pause.probes - 1, 0))


def is_over(pause: Pause, now: datetime) -> bool:
    """Whether the next probe may go; one that lies further ahead than any pause was made by a clock that was wrong."""
    return not now < pause.until <= now + LONGEST_WISH


def is_worth_telling(pause: Pause, now: datetime) -> bool:
    """Whether somebody has to hear of a pause by now."""
    return now - pause.since >= _TELL_AFTER[pause.cause]


def resumed(pause: Pause, now: datetime) -> Pause:
    """Return a pause as it goes on after a restart: what was wrong may be mended, but a provider's wish holds."""
    latest = now + LONGEST_WISH if pause.cause is Cause.LIMITED else now
    return replace(pause, until=min(pause.until, latest))
