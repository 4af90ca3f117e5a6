"""How do events come in?  The public address: webhook.py says what becomes of a request, protocol.py holds connections.

Beside the webhook there are the links of messages (ack.py); which of the two is asked, public.py says.

app.build makes one Receiver, starts it when the store is open, and stops it first.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path

from aiohttp.http import HttpRequestParser

from zennotify.acknowledgement import Acknowledger
from zennotify.clock import Clock
from zennotify.config import Address, ServerConfig
from zennotify.errors import ZennotifyError
from zennotify.metrics import Metrics
from zennotify.receiver.ack import AckPage
from zennotify.receiver.protocol import Connections, Limits, Site
from zennotify.receiver.public import Public
from zennotify.receiver.webhook import Intake, Receipt, Tell, Webhook
from zennotify.systemd import UnixListener

__all__ = ["Intake", "Limits", "Receipt", "Receiver"]

#: Connections that the kernel keeps for us while we are busy, or being restarted under a systemd socket.
BACKLOG = 1024


class Receiver:
    """The webhook's server."""

    def __init__(
        self,
        config: ServerConfig,
        intake: Intake,
        metrics: Metrics,
        clock: Clock,
        *,
        limits: Limits | None = None,
        tell: Tell | None = None,
        acknowledger: Acknowledger | None = None,
    ) -> None:
        """Serve by these settings; `tell` is called with each error answer that an authentic sender gets.

        Links of messages lead to the `acknowledger`, where there is a `public_url` that they begin with.
        """
        webhook = Webhook(config, intake, metrics, clock, tell)
        self._site: Site = webhook
        if acknowledger is not None and config.public_url is not None:
            self._site = Public(webhook, AckPage(config, acknowledger))
        self._clock = clock
        self._limits = limits or Limits()
        self._connections: Connections | None = None
        self._servers: list[asyncio.Server] = []
        self._own: UnixListener | None = None

    @property
    def addresses(self) -> list[Address]:
        """Return where the receiver listens."""
        return [_address(sock) for server in self._servers for sock in server.sockets]

    async def start(self, where: Address | Sequence[socket.socket]) -> None:
        """Listen on an address, or on sockets that somebody else opened (systemd).

        Raises OSError where the address cannot be had.
        """
        if HttpRequestParser.__module__ != "aiohttp._http_parser":
            raise ZennotifyError(
                "aiohttp runs without its C parser, which is not safe here; install its binary wheel"
                " and unset AIOHTTP_NO_EXTENSIONS"
            )
        self._connections = Connections(self._site, self._limits, self._clock.now)
        if not isinstance(where, Address):
            for sock in where:
                await self._listen(sock)
        elif where.path is not None:
            # 0660: a proxy in front of us runs as another user, and gets in by its group.
            self._own = UnixListener(where.path, mode=0o660)
            await self._listen(self._own.socket)
        else:
            loop = asyncio.get_running_loop()
            server = await loop.create_server(
                self._connections, where.host, where.port or 0, reuse_address=True, backlog=BACKLOG
            )
            self._servers.append(server)

    async def stop(self) -> None:
        """Accept no further connection, and return when the requests in flight are answered."""
        for server in self._servers:
            server.close()
        if self._connections is not None:
            await self._connections.drain()
        self._servers.clear()
        if self._own is not None:
            self._own.remove()

    async def _listen(self, sock: socket.socket) -> None:
        assert self._connections is not None  # noqa: S101 - for mypy: `start` made it
        loop = asyncio.get_running_loop()
        create = loop.create_unix_server if sock.family == socket.AF_UNIX else loop.create_server
        self._servers.append(await create(self._connections, sock=sock, backlog=BACKLOG))


def _address(sock: socket.socket) -> Address:
    name = sock.getsockname()
    return Address(path=Path(name)) if isinstance(name, str) else Address(host=name[0], port=name[1])
