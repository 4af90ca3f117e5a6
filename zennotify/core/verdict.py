"""What becomes of a delivery after one attempt.

Pure; called by the outbox's carriers when a send is over, and for attempts whose process died.

::

    sent        delivered
    temporary   pending, due again after the next wait of `retry`; dead when there is none: `exhausted`
    permanent   dead: `refused`
    blocked     pending, and no try is used up by a probe: the channel is paused, and the message waits for it
    unknown     by `on_unknown`: as temporary; or dead until somebody decides: `maybe_sent`; or delivered

Where the channel has a fallback, a delivery that is dead, that has waited too long or has been tried often enough is
told there instead; it is dead, or cancelled: `fallback`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from zennotify.core.model import DeliveryState, Outcome, Result
from zennotify.core.retry import next_due

#: Before a message is tried again, at the earliest, that should have fallen back and could not.
_NO_FALLBACK: Final = timedelta(minutes=1)
#: A message may stop a channel that worked so often at least, however few tries it has.
_LEAST_BLOCKED: Final = 5


#: The reason of a delivery that waits for its channel's next probe: it is due at once when the channel sends before.
BLOCKED: Final = "blocked"


class OnUnknown(StrEnum):
    """What becomes of a message that may have arrived, or not."""

    #: Send it again, and say so in it.
    RESEND = "resend"
    #: Keep it for somebody who decides.
    HOLD = "hold"
    ASSUME_SENT = "assume_sent"


@dataclass(frozen=True, slots=True)
class Fallback:
    """Who is told instead, and when."""

    channel: str
    #: How long a message may have been due.
    after: timedelta
    #: How many tries it may take; None: as many as there are.
    tries: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a channel does about failures."""

    #: The longest wait before each try; their number is the number of tries.
    retry: Sequence[timedelta]
    on_unknown: OnUnknown = OnUnknown.RESEND
    fallback: Fallback | None = None


class Standing(NamedTuple):
    """Where a delivery stood before the attempt."""

    #: Tries that count against `retry`.
    tries: int
    #: When it was due, and when it was due first.
    due: datetime
    since: datetime
    #: Whether an earlier try may have arrived.
    is_unsure: bool = False
    #: What is told to the owners of zennotify itself is written for one channel, and never falls back.
    may_fall_back: bool = True


class Verdict(NamedTuple):
    """What becomes of a delivery."""

    state: DeliveryState
    reason: str
    due: datetime
    tries: int
    is_unsure: bool
    #: Whether the fallback is told instead.
    falls_back: bool = False
    #: When it is due again if the fallback turns out to tell nobody; None: then it is dead all the same.
    otherwise_due: datetime | None = None


def verdict(
    policy: Policy,
    standing: Standing,
    result: Result,
    now: datetime,
    fraction: float,
    *,
    is_probe: bool = True,
    paused_until: datetime | None = None,
) -> Verdict:
    """Return what becomes of a delivery whose attempt came to this; `fraction` (0 to 1) is the jitter.

    `is_probe`: whether the channel was paused when it was tried; `paused_until` when it is tried again.
    """
    if result.outcome is Outcome.BLOCKED:
        found = _blocked(policy, standing, now, is_probe, paused_until or now)
    else:
        found = _verdict(policy, standing, result, now, fraction)
    fallback = policy.fallback
    if fallback is None or not standing.may_fall_back or found.state is DeliveryState.DELIVERED:
        return found
    if found.state is DeliveryState.DEAD:
        return found._replace(falls_back=True)
    moment = standing.since + fallback.after
    if now >= moment or (fallback.tries is not None and found.tries >= fallback.tries):
        return found._replace(
            state=DeliveryState.CANCELLED,
            reason="fallback",
            due=now,
            falls_back=True,
            otherwise_due=max(found.due, now + _NO_FALLBACK),
        )
    return found._replace(due=min(found.due, moment))


def _blocked(
    policy: Policy, standing: Standing, now: datetime, is_probe: bool, paused_until: datetime
) -> Verdict:
    """Return what becomes of a message that met a channel which may not send.

    It may also be the message that is not wanted: so that it does not stand in the way of the others for ever, the
    next probe is another one where there is one, and each time that it stops a channel which worked is a try.
    """
    tries, is_unsure = standing.tries + (not is_probe), standing.is_unsure
    if tries >= max(len(policy.retry), _LEAST_BLOCKED):
        return Verdict(DeliveryState.DEAD, "exhausted", now, tries, is_unsure)
    return Verdict(DeliveryState.PENDING, BLOCKED, max(standing.due, paused_until), tries, is_unsure)


def _verdict(policy: Policy, standing: Standing, result: Result, now: datetime, fraction: float) -> Verdict:
    tries, is_unsure = standing.tries, standing.is_unsure
    match result.outcome:
        case Outcome.SENT:
            return Verdict(DeliveryState.DELIVERED, "", now, tries + 1, is_unsure)
        case Outcome.PERMANENT:
            return Verdict(DeliveryState.DEAD, "refused", now, tries + 1, is_unsure)
        case Outcome.TEMPORARY if result.of_channel:
            return Verdict(DeliveryState.PENDING, "", standing.due, tries, is_unsure)
        case Outcome.UNKNOWN if policy.on_unknown is OnUnknown.HOLD:
            return Verdict(DeliveryState.DEAD, "maybe_sent", now, tries + 1, is_unsure=True)
        case Outcome.UNKNOWN if policy.on_unknown is OnUnknown.ASSUME_SENT:
            return Verdict(DeliveryState.DELIVERED, "assumed_sent", now, tries + 1, is_unsure=True)
        case _:
            is_unsure = is_unsure or result.outcome is Outcome.UNKNOWN
            due = next_due(policy.retry, tries + 1, result, now, fraction)
            if due is None:
                return Verdict(DeliveryState.DEAD, "exhausted", now, tries + 1, is_unsure)
            return Verdict(DeliveryState.PENDING, "", due, tries + 1, is_unsure)
