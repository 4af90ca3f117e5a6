"""Who is guest ef44e802?  The client of Zenoti's REST API, for names that no event taught.

rulebook.py asks just before a message is sent, never on the receiving path; what was found it keeps as facts.  A
look-up never raises and always ends by its deadline: with what was found, or with the reason why not.  Lives in the
daemon's event loop; what is asked and how it ended is in lookup.py, how often we may ask in limit.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from zennotify.clock import Clock
from zennotify.core.model import Zone
from zennotify.zenoti import lookup
from zennotify.zenoti.facts import Key, key_of
from zennotify.zenoti.limit import Budget
from zennotify.zenoti.lookup import Answer, Verdict, Wanted, failed

_log = logging.getLogger(__name__)

#: How long a look-up may take, waiting for its turn included.
DEADLINE: Final = timedelta(seconds=5)

#: How long an answer is not asked for again.  What was found is kept by the caller; it is remembered here only so
#: that many messages at the same moment are one call.
_REMEMBERED: Final = {
    Verdict.OK: timedelta(minutes=1),
    Verdict.NOT_FOUND: timedelta(hours=1),
    Verdict.REFUSED: timedelta(minutes=10),
    Verdict.FAILED: timedelta(minutes=1),
}
_MOST_REMEMBERED: Final = 2000
#: After so many failures in a row, or one call that was not answered in time, nobody asks for a minute: each would
#: hold up all messages of a channel.
_MOST_FAILURES: Final = 3
#: Before the one retry.
_PAUSE: Final = timedelta(seconds=1)
_MOST_PAGES: Final = 20
_LARGEST_ANSWER: Final = 1024 * 1024
_CONNECTIONS: Final = 4
_LONGEST_IDLE: Final = 15.0

_EVERYTHING: Final = "api"
_LATE: Final = failed("Zenoti's API did not answer in time")
_STOPPED: Final = failed("zennotify is stopping")


class ZenotiApi:
    """Looks up things in Zenoti."""

    def __init__(
        self, key: str, base_url: str, clock: Clock, class_times: Zone, count: Callable[[str], None]
    ) -> None:
        """Take the way to the API; `count` is told how each call ended, in a word of Verdict."""
        self._headers = {
            "Authorization": f"apikey {key}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "zennotify",
        }
        self._base_url = base_url
        self._clock = clock
        self._class_times = class_times
        self._count = count
        self._session: aiohttp.ClientSession | None = None
        self._budget = Budget()
        self._running: dict[Key, asyncio.Task[Answer]] = {}
        self._remembered: dict[Key, tuple[datetime, Answer]] = {}
        self._failures = 0

    async def start(self) -> None:
        """Get ready; no connection is made before somebody asks."""
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=_LONGEST_IDLE),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(),  # none: a look-up has one deadline for all that it does
            auto_decompress=False,
            middlewares=[_once],
            # Not `trust_env`, which reads ~/.netrc too.
            proxy=_proxy(self._base_url),
        )

    async def close(self) -> None:
        """End what is being asked, and close the connections."""
        session, self._session = self._session, None
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if session is not None:
            await session.close()

    async def look_up(self, wanted: Wanted, deadline: timedelta = DEADLINE) -> Answer:
        """Return what the API knows of a thing, or why it could not be asked."""
        key = key_of(wanted.kind, wanted.id)
        if key is None or wanted.kind not in lookup.KINDS or not str(wanted.id).strip(" ."):
            return failed("this is nothing that Zenoti's API can be asked for")
        if wanted.kind == "session" and not wanted.center_id:
            return failed("Zenoti's API can be asked for a class only with its centre")
        # One call gives all centres.
        call = wanted.kind if wanted.kind == "center" else key
        known = next(filter(None, map(self._recall, (key, call, wanted.kind, _EVERYTHING))), None)
        answer = lookup.about(wanted, known or await self._joined(call, wanted, deadline))
        if answer.verdict is Verdict.NOT_FOUND and answer is not known:
            self._remember(key, answer)
        return answer

    def forget(self) -> None:
        """Forget what was found lately; that the API is closed, or refuses the key, still holds."""
        self._remembered = {
            key: kept for key, kept in self._remembered.items() if kept[1].verdict is not Verdict.OK
        }

    # --- what was asked before

    def _recall(self, key: Key) -> Answer | None:
        until, answer = self._remembered.get(key, (None, None))
        return answer if until is not None and until > self._clock.now() else None

    def _remember(self, key: Key, answer: Answer) -> None:
        self._remembered.pop(key, None)
        self._remembered[key] = (self._clock.now() + _REMEMBERED[answer.verdict], answer)
        if len(self._remembered) > _MOST_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]

    def _learn(self, call: Key, wanted: Wanted, answer: Answer) -> None:
        """Draw the conclusions of an answer for whoever asks next."""
        match answer.verdict:
            case Verdict.LIMITED:
                return  # the budget knows until when
            case Verdict.REFUSED:
                self._remember(wanted.kind, answer)
            case Verdict.FAILED:
                self._failures += _MOST_FAILURES if answer is _LATE else 1
                self._remember(_EVERYTHING if self._failures >= _MOST_FAILURES else call, answer)
                return
            case Verdict.OK | Verdict.NOT_FOUND:
                self._remember(call, answer)
        self._failures = 0

    # --- asking

    async def _joined(self, call: Key, wanted: Wanted, deadline: timedelta) -> Answer:
        """Return the answer of a call that is made once, however many ask for it at the same moment."""
        if self._session is None:
            return _STOPPED
        task = self._running.get(call)
        patience = None if task is None else deadline.total_seconds()
        if task is None:
            task = self._running[call] = asyncio.create_task(self._ask(call, wanted, deadline))
            task.add_done_callback(lambda _: self._running.pop(call, None))
        await asyncio.wait([task], timeout=patience)
        if not task.done():
            return _LATE
        return _STOPPED if task.cancelled() else task.result()

    async def _ask(self, call: Key, wanted: Wanted, deadline: timedelta) -> Answer:
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                answer = await self._pages(wanted, self._clock.now() + deadline)
        except TimeoutError:
            self._count(Verdict.FAILED)
            answer = _LATE
        self._learn(call, wanted, answer)
        level = logging.WARNING if answer.verdict in {Verdict.REFUSED, Verdict.FAILED} else logging.INFO
        said = f"{answer.verdict}: {answer.reason}" if answer.reason else answer.verdict
        _log.log(level, "api %s=%s %s", wanted.kind, quote(str(wanted.id)), said)
        return answer

    async def _pages(self, wanted: Wanted, until: datetime) -> Answer:
        """Return all pages of an answer as one; what the first ones said stands when a later one fails."""
        page = 1
        answer = await self._tried(wanted, page, until)
        things = dict(answer.things)
        while answer.more and page < _MOST_PAGES:
            page += 1
            answer = await self._tried(wanted, page, until)
            things.update(answer.things)
        return answer._replace(things=things)

    async def _tried(self, wanted: Wanted, page: int, until: datetime) -> Answer:
        """Return the answer of a call that is tried once more where that may help and the time allows it."""
        if not await self._turn(self._clock.now(), until):
            self._count(Verdict.LIMITED)
            return Answer(Verdict.LIMITED, f"Zenoti's {self._budget.calls} API calls a minute are used up")
        answer = await self._call(wanted, page)
        if answer.passing and await self._turn(self._clock.now() + _PAUSE, until):
            answer = await self._call(wanted, page)
        return answer

    async def _turn(self, earliest: datetime, until: datetime) -> bool:
        """Wait until a call may be made, and take it from the budget; return False at once where it would be late."""
        while (when := max(earliest, self._budget.free_at(self._clock.now()))) > self._clock.now():
            if when >= until:
                return False
            await self._clock.sleep_until(when, asyncio.Event())
        self._budget = self._budget.spent(self._clock.now())
        return True

    async def _call(self, wanted: Wanted, page: int) -> Answer:
        answer = await self._exchange(wanted, page)
        self._count(answer.verdict)
        return answer

    async def _exchange(self, wanted: Wanted, page: int) -> Answer:
        if self._session is None:
            return _STOPPED
        url = self._base_url + lookup.target(wanted, page)
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                self._budget = self._budget.heard(response.status, response.headers, self._clock.now())
                body = await _body(response)
        except aiohttp.ClientSSLError:
            return failed("whoever answers at zenoti_api.base_url could not prove that it is Zenoti's API")
        except aiohttp.ClientConnectorError:
            return failed("Zenoti's API cannot be reached", passing=True)
        except (aiohttp.ClientError, OSError, ValueError):
            return failed("Zenoti's API broke off its answer", passing=True)
        if body is None:
            return failed("Zenoti's API answered with more than 1 MiB")
        return lookup.judge(wanted, page, response.status, body, self._class_times)


class _BrokenOffError(aiohttp.ClientError):
    """A connection ended before the answer did."""


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send a call once: aiohttp sends it again by itself after some errors, which nobody would count."""
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _BrokenOffError from error


async def _body(response: aiohttp.ClientResponse) -> bytes | None:
    """Return the body of an answer, or None where it is too large to be one."""
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > _LARGEST_ANSWER:
            return None
    return bytes(body)


def _proxy(url: str) -> str | None:
    """Return the machine's proxy for a URL, as the channels use it."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
