"""How do the operators' sites listen?  A small aiohttp application on an address of its own; used by admin and control.

Only the operator's machine reaches these, so that aiohttp's own server will do.  It must not talk, though: neither
its name nor a traceback is for anybody, and errors are JSON like all others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from zennotify.config import Address
from zennotify.systemd import UnixListener

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)
#: aiohttp logs a traceback for each malformed request; this logger is connected to nothing.
_NOWHERE = logging.Logger("nowhere", level=logging.CRITICAL + 1)


class Site:
    """Routes, and the socket that they are reached by."""

    def __init__(self, routes: Sequence[web.AbstractRouteDef]) -> None:
        app = web.Application(middlewares=[_plain_errors])
        app.add_routes(routes)
        app.on_response_prepare.append(_without_a_name)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=_NOWHERE,
            keepalive_timeout=30,
            shutdown_timeout=5,
            auto_decompress=False,
        )
        self._server: asyncio.Server | None = None
        self._own: UnixListener | None = None

    @property
    def address(self) -> Address:
        """Return where the site listens."""
        if self._own is not None:
            return Address(path=self._own.path)
        assert self._server is not None  # noqa: S101 - for mypy: asked for after `start`
        host, port, *_ = self._server.sockets[0].getsockname()
        return Address(host=host, port=port)

    async def start(self, address: Address) -> None:
        """Listen; a unix socket is for its owner only.  Raises OSError where the address cannot be had."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        factory = self._runner.server
        assert factory is not None  # noqa: S101 - for mypy: `setup` made it
        if address.path is None:
            self._server = await loop.create_server(
                factory, address.host, address.port or 0, reuse_address=True
            )
        else:
            self._own = UnixListener(address.path, mode=0o600)
            self._server = await loop.create_unix_server(factory, sock=self._own.socket)

    async def stop(self) -> None:
        """Close the socket, and return when what is being answered is answered."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()
        if self._own is not None:
            self._own.remove()


@web.middleware
async def _plain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return failure(error.status, error.reason.lower())
    except Exception as error:
        _log.error("%s while %s was answered", type(error).__name__, request.path)
        return failure(500, f"the daemon made a mistake ({type(error).__name__}); its log has the time of it")


async def _without_a_name(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.popall("Server", None)


def failure(status: int, sentence: str) -> web.Response:
    """Return an error; a sentence never holds an exception's text, which may quote a guest's data."""
    return web.json_response({"error": sentence}, status=status)
