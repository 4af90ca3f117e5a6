"""Run the requests of data/requests.yaml against a server: the receiver alone, or the whole daemon.

`run_case` speaks through a raw socket, because half of the requests are ones that no client library would send.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import hmac
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from zennotify.zenoti.signature import sign

_FILE: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent / "data" / "requests.yaml").read_text(encoding="utf-8")
)
SECRET: str = _FILE["secret"]
OLD_SECRET: str = _FILE["old_secret"]
PATH: str = _FILE["path"]
HEADER = "zenoti-webhook-signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request and what it must lead to; the fields are explained in requests.yaml."""

    id: str
    title: str
    status: int
    stored: str
    error: str | None = None
    reason: str | None = None
    why: str | None = None
    verb: str = "POST"
    path: str = PATH
    headers: Mapping[str, str | None] = field(default_factory=dict)
    event: Mapping[str, Any] | None = None
    without: tuple[str, ...] = ()
    first: Mapping[str, Any] | None = None
    body: str | None = None
    body_b64: str | None = None
    body_gen: Mapping[str, Any] | None = None
    raw: str | None = None
    raw_b64: str | None = None
    sign: str = "missing"
    repeat: int = 1
    idle: bool = False
    idle_connections: int = 0
    store: str | None = None


CASES = [Case(**case) for case in _FILE["cases"]]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a store holds."""

    events: int
    #: The reasons of what is in quarantine.
    quarantine: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `status` is 0 where nothing did."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body as an object."""
        return json.loads(self.body)


class Client:
    """One connection, byte for byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, host: str, port: int) -> Client:
        """Connect."""
        return cls(*await asyncio.open_connection(host, port))

    @classmethod
    async def open_unix(cls, path: Path) -> Client:
        """Connect to a unix socket."""
        return cls(*await asyncio.open_unix_connection(path))

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    def send(self, raw: bytes) -> None:
        """Send bytes."""
        self._writer.write(raw)

    async def flood(self, raw: bytes) -> None:
        """Send this again and again, until the other side hangs up."""
        with contextlib.suppress(ConnectionError):
            while True:
                self._writer.write(raw)
                await self._writer.drain()

    def stop_reading(self) -> None:
        """Let the answers pile up."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def hang_up(self) -> None:
        """Reset the connection."""
        self._writer.transport.abort()

    def send_eof(self) -> None:
        """Say that nothing more will come."""
        self._writer.write_eof()

    async def answer(self, *, head_only: bool = False) -> Answer:
        """Read one answer."""
        head = await self._read_until(b"\r\n\r\n")
        if not head:
            return Answer(0, {}, b"")
        line, *rest = head.decode("ascii").removesuffix("\r\n\r\n").split("\r\n")
        headers = {name.lower(): value for name, _, value in (text.partition(": ") for text in rest)}
        size = 0 if head_only else int(headers.get("content-length", "0"))
        return Answer(int(line.split(" ")[1]), headers, await self._reader.readexactly(size))

    async def ask(self, raw: bytes) -> Answer:
        """Send a request and read its answer."""
        self.send(raw)
        return await self.answer()

    async def is_closed(self) -> bool:
        """Wait for the other side to hang up; say whether nothing came before."""
        try:
            return await self._reader.read() == b""
        except ConnectionError:
            return True

    async def _read_until(self, end: bytes) -> bytes:
        try:
            return await self._reader.readuntil(end)
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""


# --- making requests


def event(case_id: str, changes: Mapping[str, Any] | None = None, without: tuple[str, ...] = ()) -> bytes:
    """Return the standard event with ids of its own and these changes."""
    content = {**_FILE["standard"], "id": case_id, "event_id": f"{case_id}-e"}
    content["data"] = {**content["data"], "case": case_id}
    content.update(changes or {})
    return json.dumps({name: value for name, value in content.items() if name not in without}).encode()


def request(
    body: bytes = b"",
    *,
    verb: str = "POST",
    path: str = PATH,
    headers: Mapping[str, str | None] | None = None,
    signed: bool = True,
) -> bytes:
    """Return a request as it goes over the wire; a header that is None is left out."""
    lines: dict[str, str | None] = {"Host": "t", "Content-Type": "application/json"}
    if signed and body:
        lines[HEADER] = sign(SECRET.encode(), body)
    lines["Content-Length"] = str(len(body))
    lines.update(headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return f"{verb} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


def signature_headers(kind: str, body: bytes) -> dict[str, str]:
    """Return the header of one kind of signature, good or bad."""
    secret = SECRET.encode()
    digest = hmac.digest(secret, body, "sha256")
    dashed = digest.hex("-").upper()
    if kind == "missing":
        return {}
    if kind == "other_header":
        return {"x-zenoti-signature": sign(secret, body)}
    if kind == "reserialised":
        return {HEADER: sign(secret, json.dumps(json.loads(body)).encode())}
    values = {
        "valid": sign(secret, body),
        "old_secret": sign(OLD_SECRET.encode(), body),
        "wrong_secret": sign(b"somebody else's secret, of good length", body),
        "hex": f"sha256={digest.hex()}",
        "empty": "",
        "other_body": sign(secret, body + b" "),
        "long": "sha256 =" + "A" * 7992,
        "sha1": "sha256 =" + hmac.digest(secret, body, "sha1").hex(),
        "none_alg": f"none ={dashed}",
        "wrong_label": f"sha1 ={dashed}",
    }
    return {HEADER: values[kind]}


def _repeated(text: str) -> str:
    return re.sub(r"\{(.)\*(\d+)\}", lambda match: match[1] * int(match[2]), text)


def _generated(case: Case) -> bytes:
    match dict(case.body_gen or {}):
        case {"kind": "event", "size": int(size)}:
            small = event(case.id, {"data": {"pad": ""}})
            return event(case.id, {"data": {"pad": "x" * (size - len(small))}})
        case {"kind": "pretty_event"}:
            return json.dumps(json.loads(event(case.id)), indent=4).encode()
        case {"kind": "gzip", "size": int(size)}:
            return gzip.compress(b"0" * size)
        case {
            "kind": "nest",
            "open": str(start),
            "inner": str(inner),
            "close": str(end),
            "depth": int(depth),
        }:
            return (start * depth + inner + end * depth).encode()
        case {"kind": "many", "unit": str(unit), "count": int(count)}:
            return f"[{','.join([unit] * count)}]".encode()
        case _:
            raise ValueError(case.id)


def _body(case: Case) -> bytes:
    if case.body_b64 is not None:
        return base64.b64decode(case.body_b64)
    if case.body is not None:
        return case.body.encode()
    if case.body_gen is not None:
        return _generated(case)
    if case.event is None:
        return b""
    changes = {
        key: _repeated(value) if isinstance(value, str) else value for key, value in case.event.items()
    }
    return event(case.id, changes, case.without)


def wire(case: Case) -> bytes:
    """Return a case's bytes."""
    if case.raw_b64 is not None:
        return base64.b64decode(case.raw_b64)
    if case.raw is not None:
        return _repeated(case.raw).encode("latin-1")
    body = _body(case)
    path = case.path.replace("{signature}", hmac.digest(SECRET.encode(), body, "sha256").hex())
    headers = {**signature_headers(case.sign, body), **case.headers}
    return request(body, verb=case.verb, path=path, headers=headers, signed=False)


# --- running them


async def run_case(case: Case, host: str, port: int, kept: Callable[[], Awaitable[Kept]]) -> None:
    """Send a case's request and check its answer, and what is stored afterwards.

    `kept` looks into the server's store.  Where `case.store` is "unavailable", the caller has made it so.
    """
    before = await kept()
    idle = [await Client.open(host, port) for _ in range(case.idle_connections)]
    if case.first is not None:
        async with await Client.open(host, port) as client:
            assert (await client.ask(request(event(case.id, case.first)))).json["status"] == "accepted"
    answer = await _send(case, host, port)
    for client in idle:
        client.hang_up()
    _check(case, answer)
    _check_kept(case, before, await kept())


async def _send(case: Case, host: str, port: int) -> Answer:
    raw = b"" if case.idle else wire(case)
    async with asyncio.timeout(20), await Client.open(host, port) as client:
        answer = await client.ask(raw)
        for _ in range(case.repeat - 1):
            answer = await client.ask(raw)
        return answer


def _check(case: Case, answer: Answer) -> None:
    assert answer.status == case.status, answer
    check_form(answer)
    if case.error is not None:
        assert answer.json == {"error": case.error}
    elif case.stored == "quarantine":
        assert answer.json == {"status": "quarantined", "reason": case.reason}
    else:
        assert answer.json["status"] == ("duplicate" if case.stored == "event_once" else "accepted")


def check_form(answer: Answer) -> None:
    """Check what holds for every answer: its headers, and that nothing of the request is in it."""
    allowed = {
        "content-type",
        "content-length",
        "date",
        "connection",
        "allow",
        "retry-after",
        "www-authenticate",
    }
    assert set(answer.headers) <= allowed
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert len(answer.body) < 100
    assert (answer.status in {429, 503}) == ("retry-after" in answer.headers)
    assert (answer.status == 405) == ("allow" in answer.headers)


def _check_kept(case: Case, before: Kept, after: Kept) -> None:
    assert after.events - before.events == (1 if case.stored in {"event", "event_once"} else 0)
    new = after.quarantine[len(before.quarantine) :]
    assert set(new) == ({case.reason} if case.stored == "quarantine" else set())
