"""What becomes of one request?  Path, verb, size, coding, media type, empty body, proofs, JSON, envelope, commit.

protocol.py calls `look` when the headers are there and `answer` when the body is.  An authentic body is never
dropped: it becomes an event, or it is kept in quarantine.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any
from typing import Protocol as Interface

from aiohttp.http import RawRequestMessage

from zennotify.clock import Clock
from zennotify.config import ServerConfig
from zennotify.errors import StoreUnavailable
from zennotify.metrics import Metrics
from zennotify.receiver import answers, query
from zennotify.receiver.answers import Answer
from zennotify.receiver.proof import IPAddress, Proofs
from zennotify.receiver.request import Request, media_of, path_of, unreadable
from zennotify.zenoti.envelope import Envelope, read_envelope

_log = logging.getLogger(__name__)


class Receipt(Interface):
    """What became of a body that was kept."""

    @property
    def status(self) -> str:
        """Return `accepted`, `duplicate` or `quarantined`."""
        ...

    @property
    def event(self) -> str | None:
        """Return our id of the event."""
        ...

    @property
    def reason(self) -> str | None:
        """Return why a body is in quarantine."""
        ...


class Intake(Interface):
    """Keeps bodies; each call returns after the commit, or raises StoreUnavailable."""

    async def accept(self, envelope: Envelope, body: bytes, received_at: datetime) -> Receipt:
        """Keep an event."""
        ...

    async def quarantine(self, reason: str, body: bytes, received_at: datetime) -> Receipt:
        """Keep a body that is authentic but not usable."""
        ...


#: Tells the owners of a trouble: its kind, a title, a text.
Tell = Callable[[str, str, str], None]


class Webhook:
    """The one path of the public address."""

    def __init__(
        self, config: ServerConfig, intake: Intake, metrics: Metrics, clock: Clock, tell: Tell | None
    ) -> None:
        self._config = config
        self._tell = tell
        self._intake = intake
        self._metrics = metrics
        self._clock = clock
        self._proofs = Proofs(config, metrics)
        self._errors_in_a_row = 0

    @property
    def path(self) -> str:
        """Return the path that it is posted to."""
        return self._config.path

    def most(self, _message: RawRequestMessage) -> int:
        """Return the size of the largest body that is read, in bytes."""
        return self._config.max_body

    def look(self, message: RawRequestMessage) -> Answer | None:
        """Return the refusal of what the headers already show to be wrong."""
        if path_of(message) != self._config.path:
            return answers.NOT_FOUND
        if message.method not in answers.VERBS:
            return answers.METHOD_NOT_ALLOWED
        is_other_media = _is_other_media(media_of(message))
        return unreadable(message, self._config.max_body, is_other_media=is_other_media)

    def is_proof(self, _message: RawRequestMessage) -> bool:
        """Return whether an answer that takes its time shows the sender to be Zenoti."""
        return True

    def answer(self, request: Request) -> Answer | Coroutine[Any, Any, Answer]:
        """Return the answer to a whole request; that to an authentic one follows its commit."""
        if not request.body:
            return answers.PING
        now = time.perf_counter()
        try:
            refusal = self._proofs.refusal(request.message, request.peer, request.body, now)
        except Exception as error:  # nobody has proved anything, so that nothing may be kept
            _log_type(error)
            return answers.INTERNAL_ERROR
        return refusal or self._keep(request)

    def refused(self, message: RawRequestMessage, peer: IPAddress | None, answer: Answer) -> None:
        """Take note of a request to our path that was refused before its proofs were asked for."""
        if path_of(message) != self._config.path or message.method not in answers.VERBS:
            return
        if self._proofs.is_plausible(message, peer):
            self._count(answer)
        self._proofs.log(answer, message, peer, time.perf_counter())

    async def _keep(self, request: Request) -> Answer:
        try:
            answer = await self._commit(request)
        except StoreUnavailable:
            answer = answers.STORE_UNAVAILABLE
        except Exception as error:
            _log_type(error)
            answer = await self._keep_anyway(request)
        if answer.status == 200:
            self._metrics.accept_seconds.observe(time.perf_counter() - request.started)
        self._count(answer)
        return answer

    async def _commit(self, request: Request) -> Answer:
        received_at = self._clock.now()
        envelope = read_envelope(request.body, query.event_type(request.message))
        if isinstance(envelope, Envelope):
            receipt = await self._intake.accept(envelope, request.body, received_at)
        else:
            receipt = await self._intake.quarantine(envelope.reason, request.body, received_at)
        return _told(receipt)

    async def _keep_anyway(self, request: Request) -> Answer:
        """Keep a body that a mistake of ours was in the way of."""
        try:
            return _told(await self._intake.quarantine("internal_error", request.body, self._clock.now()))
        except StoreUnavailable:
            return answers.STORE_UNAVAILABLE
        except Exception as error:
            _log_type(error)
            return answers.INTERNAL_ERROR

    def _count(self, answer: Answer) -> None:
        """Count the errors in a row that an authentic sender saw: at 20, Zenoti switches the webhook off."""
        if answer.status != 200:
            self._errors_in_a_row += 1
            if self._tell is not None:
                self._tell(
                    f"answer {answer.status}",
                    "Zenoti got an error answer",
                    f"The answer was {answer.status}, the {self._errors_in_a_row}. in a row; at 20 in a row"
                    " Zenoti switches the webhook off.",
                )
        elif not self._errors_in_a_row:
            return
        else:
            self._errors_in_a_row = 0
        self._metrics.non_success_run.set(self._errors_in_a_row)


def _told(receipt: Receipt) -> Answer:
    if receipt.status == "quarantined":
        return answers.good("quarantined", reason=receipt.reason or "")
    return answers.kept(receipt.status, receipt.event or "")


def _is_other_media(media: str) -> bool:
    """Say whether this names a form, XML or a multipart body; what is missing or odd may still be JSON."""
    return (
        media.startswith("multipart/")
        or media == "application/x-www-form-urlencoded"
        or media.endswith(("/xml", "+xml"))
    )


def _log_type(error: Exception) -> None:
    """Log a mistake of ours; the error's text may quote the body, so that only its type is told."""
    _log.error("%s while a request was answered", type(error).__name__)
    _log.debug("%s", "".join(traceback.format_tb(error.__traceback__)))
