"""What is there on the public address?  The webhook's path and, where it has a `public_url`, links of messages."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from aiohttp.http import RawRequestMessage

from zennotify.receiver.ack import AckPage
from zennotify.receiver.answers import Answer
from zennotify.receiver.proof import IPAddress
from zennotify.receiver.request import Request, path_of
from zennotify.receiver.webhook import Webhook


class Public:
    """Asks the webhook or the page, by the path of a request."""

    def __init__(self, webhook: Webhook, page: AckPage) -> None:
        self._webhook = webhook
        self._page = page

    def most(self, message: RawRequestMessage) -> int:
        """Return the size of the largest body that is read, in bytes."""
        return self._of(message).most(message)

    def look(self, message: RawRequestMessage) -> Answer | None:
        """Return the refusal of what the headers already show to be wrong."""
        return self._of(message).look(message)

    def answer(self, request: Request) -> Answer | Coroutine[Any, Any, Answer]:
        """Return the answer to a whole request."""
        return self._of(request.message).answer(request)

    def is_proof(self, message: RawRequestMessage) -> bool:
        """Return whether such an answer shows the sender to be Zenoti: a link is in everybody's hands."""
        return self._of(message) is self._webhook

    def refused(self, message: RawRequestMessage, peer: IPAddress | None, answer: Answer) -> None:
        """Take note of a request that was refused before it was whole."""
        self._of(message).refused(message, peer, answer)

    def _of(self, message: RawRequestMessage) -> Webhook | AckPage:
        if path_of(message) != self._webhook.path and self._page.is_for(message):
            return self._page
        return self._webhook
