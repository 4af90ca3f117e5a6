"""Who may send?  Address, token and signature: every one that is configured must hold.

Called by webhook.py for each body that is not empty; ack.py slows who guesses links in the same way.  Failures are
counted by address, so that guessing is slow and the log stays readable; a good proof is never slowed.
"""

from __future__ import annotations

import hmac
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aiohttp.http import RawRequestMessage

from zennotify.config import Network, ServerConfig, Verify
from zennotify.metrics import Metrics
from zennotify.receiver import answers, query
from zennotify.receiver.answers import Answer
from zennotify.zenoti.signature import is_signed

IPAddress = IPv4Address | IPv6Address

#: The answers to what may be a guess: to a wrong token in a link it is that there is nothing.
_GUESSES = frozenset({401, 404})

_log = logging.getLogger(__name__)


class Proofs:
    """The proofs that a ServerConfig asks for."""

    def __init__(self, config: ServerConfig, metrics: Metrics) -> None:
        self._token = None if config.token is None else config.token.get_secret_value().encode()
        self._allowed = config.allow_from
        self._secrets = [secret.get_secret_value().encode() for secret in config.secrets]
        self._header = config.signature_header
        self._enforced = config.verify is Verify.ENFORCE
        self._checked = self._enforced or (config.verify is Verify.RECORD and bool(self._secrets))
        self._metrics = metrics
        self._strangers = Strangers(config.trusted_proxies)

    def refusal(
        self, message: RawRequestMessage, peer: IPAddress | None, body: bytes, now: float
    ) -> Answer | None:
        """Return the answer to a sender who does not prove itself, or None for one who does.

        `peer` is None on a unix socket; `now` is any clock that only goes forward, in seconds.
        """
        refusal = self._before_the_body(message, peer)
        if refusal is None and self._checked and not self._is_signed(message, body):
            self._metrics.bad_signatures.inc()
            refusal = answers.BAD_SIGNATURE if self._enforced else None
        if refusal is None:
            return None
        return self._strangers.refuse(refusal, message, peer, now)

    def is_plausible(self, message: RawRequestMessage, peer: IPAddress | None) -> bool:
        """Say whether a sender proves itself as far as can be seen without its body."""
        return not self._enforced and self._before_the_body(message, peer) is None

    def log(self, answer: Answer, message: RawRequestMessage, peer: IPAddress | None, now: float) -> None:
        """Write that a request was refused."""
        self._strangers.log(answer, message, peer, now)

    def _before_the_body(self, message: RawRequestMessage, peer: IPAddress | None) -> Answer | None:
        if self._allowed:
            client = self._strangers.client(message, peer)
            if client is None or not _is_in(client, self._allowed):
                return answers.ADDRESS_NOT_ALLOWED
        if self._token is not None and not self._has_token(self._token, message):
            return answers.BAD_TOKEN
        return None

    def _has_token(self, token: bytes, message: RawRequestMessage) -> bool:
        scheme, _, bearer = message.headers.get("Authorization", "").partition(" ")
        given = [bearer.strip().encode(errors="surrogateescape")] if scheme.lower() == "bearer" else []
        given += query.values(message, "token")
        good = False
        for value in given[:4]:
            good |= hmac.compare_digest(value, token)
        return good

    def _is_signed(self, message: RawRequestMessage, body: bytes) -> bool:
        return is_signed(message.headers.getall(self._header, ()), body, self._secrets)


def _is_in(address: IPAddress, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def read_peer(peername: object) -> IPAddress | None:
    """Return the address in what a transport calls `peername`; None on a unix socket."""
    return _read_address(str(peername[0])) if isinstance(peername, tuple) else None


def _read_address(text: str) -> IPAddress | None:
    """Read an address as proxies write it: with or without brackets and port."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


@dataclass(slots=True)
class _Record:
    """What is remembered of one address."""

    #: Failures that are still answered with 401, as of `at`.
    left: float
    at: float
    #: When the last line was logged, and how much happened since.
    logged: float
    silent: int = 0


class Failures:
    """Failed proofs by address: a token bucket each, and a brake on the log."""

    BURST = 50
    PER_SECOND = 5
    #: Beyond this many addresses the one that was quiet for longest is forgotten.
    ADDRESSES = 10_000

    def __init__(self) -> None:
        self._records: OrderedDict[object, _Record] = OrderedDict()

    def too_many(self, client: IPAddress | None, now: float) -> bool:
        """Count one failure; say whether its address has used up what it may."""
        record = self._record(client, now)
        record.left = min(self.BURST, record.left + (now - record.at) * self.PER_SECOND)
        record.at = now
        if record.left < 1:
            return True
        record.left -= 1
        return False

    def silence(self, client: IPAddress | None, now: float) -> int | None:
        """Return how many lines were left out since the last one, or None where this one is to be, too."""
        record = self._record(client, now)
        if now - record.logged < 1:
            record.silent += 1
            return None
        silent, record.silent, record.logged = record.silent, 0, now
        return silent

    def _record(self, client: IPAddress | None, now: float) -> _Record:
        # Whoever has one IPv6 address has a whole /64 of them.
        key: object = ip_network((client, 64), strict=False) if isinstance(client, IPv6Address) else client
        record = self._records.pop(key, None) or _Record(self.BURST, now, float("-inf"))
        self._records[key] = record
        if len(self._records) > self.ADDRESSES:
            self._records.popitem(last=False)
        return record


class Strangers:
    """Those who have proved nothing: who they are, and how they are slowed."""

    def __init__(self, proxies: Sequence[Network]) -> None:
        self._proxies = proxies
        self._failures = Failures()

    def refuse(
        self, answer: Answer, message: RawRequestMessage, peer: IPAddress | None, now: float
    ) -> Answer:
        """Return the answer to a proof that fails: this one, or 429 where too many were wrong from one address."""
        if answer.status in _GUESSES and self._failures.too_many(self.client(message, peer), now):
            answer = answers.RATE_LIMITED
        self.log(answer, message, peer, now)
        return answer

    def client(self, message: RawRequestMessage, peer: IPAddress | None) -> IPAddress | None:
        """Return who sent this: the peer, or whom the proxies that we trust speak for.

        X-Forwarded-For is read from the right, because a client can write what it likes at the left.  Only a
        local process that the file's mode admits can connect to a unix socket, which is as good as an entry in
        `trusted_proxies`: it is believed, and without the header the client is unknown (None).
        """
        if peer is not None and not _is_in(peer, self._proxies):
            return peer
        hops = ",".join(message.headers.getall("X-Forwarded-For", ())).split(",")
        client = peer
        for hop in reversed(hops[-64:]):
            if not hop.strip():
                continue
            client = _read_address(hop)
            if client is None or not _is_in(client, self._proxies):
                break
        return client

    def log(self, answer: Answer, message: RawRequestMessage, peer: IPAddress | None, now: float) -> None:
        """Write that a request was refused: at most one line per second and address."""
        client = self.client(message, peer)
        silent = self._failures.silence(client, now)
        if silent is not None:
            since = f" ({silent} more since the last line)" if silent else ""
            _log.warning(
                "refused a request from %s: %s%s", client or "an unknown address", answer.code, since
            )
