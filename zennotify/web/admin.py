"""Is the daemon well?  /healthz, /readyz and /metrics on the admin address, which is never the public one.

app.build hands in what there is to say.  /healthz asks nothing: it says that the process answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from zennotify.config import Address
from zennotify.web.serving import Site

_PROMETHEUS = {"Content-Type": "text/plain; version=1.0.0; charset=utf-8"}


class Admin:
    """The admin address."""

    def __init__(
        self,
        *,
        readiness: Callable[[], Awaitable[Mapping[str, str | None]]],
        metrics: Callable[[], Awaitable[bytes]],
        paused: Callable[[], Mapping[str, str]],
    ) -> None:
        """Take what is asked for on each request.

        `readiness` gives each check by name with the reason why it does not hold, or None; `paused` the channels that
        may not send and why, which is told but does not make the daemon unready: events are taken all the same.
        """
        self._readiness = readiness
        self._paused = paused
        self._metrics = metrics
        self._site = Site(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._text),
            ]
        )

    @property
    def address(self) -> Address:
        """Return where the site listens."""
        return self._site.address

    async def start(self, address: Address) -> None:
        """Listen; raises OSError where the address cannot be had."""
        await self._site.start(address)

    async def stop(self) -> None:
        """Stop listening."""
        await self._site.stop()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _readyz(self, _request: web.Request) -> web.Response:
        checks = await self._readiness()
        ready = not any(checks.values())
        told = {name: reason or "ok" for name, reason in checks.items()}
        answer = {"ready": ready, "checks": told, "paused": dict(self._paused())}
        return web.json_response(answer, status=200 if ready else 503)

    async def _text(self, _request: web.Request) -> web.Response:
        return web.Response(body=await self._metrics(), headers=_PROMETHEUS)
