"""What does one value of config.yaml mean?  Addresses, networks, sizes, durations, paths, URLs; used by model.py.

Each reader takes the value as it stands in the file and raises ValueError with one sentence.  A value that came
through `${...}` may be a secret: a sentence shows it as it is written in the file, never what it became.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from zennotify.core.rate import Rate, rate_of
from zennotify.message.moments import style
from zennotify.spelling import did_you_mean
from zennotify.yamlfile import kind, parse_duration, parse_time_zone
from zennotify.zenoti.catalog import EVENT_TYPES, label
from zennotify.zenoti.envelope import MAX_TEXT

Network = IPv4Network | IPv6Network

#: A shorter secret can be guessed.
SHORTEST_PROOF: Final = 8
#: Who can choose the secret should not take a shorter one; Zenoti chooses that of its signature itself.
GOOD_PROOF: Final = 24
#: What the kernel takes for the path of a unix socket.
_LONGEST_SOCKET_PATH = 107
_SIZE = re.compile(r"([0-9]{1,9})(KiB|MiB)")
_UNITS = {"KiB": 1024, "MiB": 1024 * 1024}
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_URL_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_WEB_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::([0-9]{1,5}))?(?:/[A-Za-z0-9._~/-]*)?")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
_RATE = re.compile(r"([1-9][0-9]{0,5})/([smhd])")
_MOST_RATES = 5
_PREFIX = re.compile(r"\+[1-9][0-9]{0,9}")
_CHANNEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Filled(str):
    """A text in which `${...}` was replaced."""

    #: As it is written in the file.
    written: str

    def __new__(cls, text: str, written: str) -> Filled:
        """Take what the text became, and what it is in the file."""
        value = super().__new__(cls, text)
        value.written = written
        return value


class Unread(str):
    """Stands, empty, for a text whose secret could not be read."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Address:
    """Where a socket listens: `host` and `port`, or `path` of a unix socket."""

    host: str | None = None
    port: int | None = None
    path: Path | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in (self.host or "") else f"{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Only this machine can reach it: a loopback address or a unix socket."""
        if self.host is None or self.host.casefold() == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def overlaps(self, other: Address) -> bool:
        """Both cannot listen at the same time."""
        if self.path is not None or other.path is not None:
            return self.path == other.path
        wild = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not bound
        return self.port == other.port and (self.host == other.host or bool(wild & {self.host, other.host}))


def shown(value: object) -> str:
    """Return a value as a message may show it."""
    text = value.written if isinstance(value, Filled) else str(value)
    return f"`{text[:77]}...`" if len(text) > 80 else f"`{text}`"


def text(value: object) -> str:
    """Take a text that is not blank."""
    if not isinstance(value, str):
        quotes = "; put it in quotes" if isinstance(value, bool | int | float) else ""
        raise ValueError(f"a text is expected, not {kind(value)}{quotes}")  # noqa: TRY004 - pydantic collects ValueError
    if not value.strip() and not isinstance(value, Unread):
        raise ValueError("a text is expected, this one is empty")
    return value


def address(value: object, folder: Path) -> Address:
    """Read `127.0.0.1:8080`, `[::1]:80`, `unix:/path` or `unix:path`."""
    if isinstance(value, Address):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f"an address and a port are expected, e.g. 127.0.0.1:{value}")  # noqa: TRY004 - as above
    written = text(value).strip()
    if written.startswith("unix:"):
        return _unix(written.removeprefix("unix:"), folder)
    host, colon, port = written.rpartition(":")
    if not colon or not host or host == "*":
        raise ValueError(
            f"{shown(value)} is not address:port, e.g. 127.0.0.1:8080 or unix:/run/zennotify.sock"
        )
    if not port.isascii() or not port.isdigit() or not 1 <= int(port[:6]) <= 65535:
        raise ValueError(f"the port of {shown(value)} is not a number from 1 to 65535")
    return Address(host=_host(host, value), port=int(port))


def _unix(written: str, folder: Path) -> Address:
    path = folder / written
    if not written or written.endswith("/"):
        raise ValueError("the path of the socket is missing, e.g. unix:/run/zennotify/web.sock")
    if len(str(path).encode()) > _LONGEST_SOCKET_PATH:
        raise ValueError(
            f"the path of a unix socket has at most {_LONGEST_SOCKET_PATH} bytes; choose a shorter one"
        )
    return Address(path=path)


def _host(host: str, value: object) -> str:
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f'an IPv6 address goes into brackets and quotes: "[::1]:80", not {shown(value)}')
    elif _HOST.fullmatch(host) and not host.replace(".", "").isdigit():
        return host
    try:
        return str(ip_address(host))
    except ValueError:
        raise ValueError(f"{shown(value)} does not start with an IP address or a host name") from None


def network(value: object) -> Network:
    """Read a CIDR; a single address is a network of one."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    written = text(value).strip()
    try:
        return ip_network(written)
    except ValueError:
        pass
    try:
        nearest = ip_network(written, strict=False)
    except ValueError:
        raise ValueError(f"{shown(value)} is not a network, e.g. 203.0.113.0/24 or 203.0.113.7") from None
    raise ValueError(f"{shown(value)} has bits beyond its prefix; did you mean {nearest}?")


def narrow_network(value: object) -> Network:
    """Read a CIDR that is not the whole world."""
    read = network(value)
    if read.prefixlen == 0:
        raise ValueError(f"{read} is everybody: it would trust every client; name the real addresses")
    return read


def size(value: object) -> int:
    """Read `64KiB` or `1MiB`, from 1KiB to 16MiB."""
    if isinstance(value, int | float):
        raise ValueError("a size needs its unit: KiB or MiB, e.g. 1MiB")  # noqa: TRY004 - as above
    match = _SIZE.fullmatch(text(value).strip())
    if match is None:
        raise ValueError(f"{shown(value)} is not a size, e.g. 64KiB or 1MiB")
    read = int(match[1]) * _UNITS[match[2]]
    if not 1024 <= read <= 16 * _UNITS["MiB"]:
        raise ValueError("a size from 1KiB to 16MiB is expected")
    return read


def duration(value: object, low: timedelta, high: timedelta) -> timedelta:
    """Read a duration between two others."""
    read = value if isinstance(value, timedelta) else parse_duration(value)
    if not low <= read <= high:
        raise ValueError(f"a duration from {_spoken(low)} to {_spoken(high)} is expected")
    return read


def _spoken(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def path(value: object, folder: Path) -> Path:
    """Read a path, relative to the file's folder."""
    return folder / (value if isinstance(value, Path) else text(value))


def secret(value: object) -> SecretStr:
    """Take a secret of any length."""
    return value if isinstance(value, SecretStr) else SecretStr(str(text(value)))


def proof(value: object) -> SecretStr:
    """Take a secret that proves a sender."""
    read = secret(value)
    if len(read.get_secret_value().encode()) < SHORTEST_PROOF and not isinstance(value, Unread):
        raise ValueError(
            f"this secret is weak: at least {SHORTEST_PROOF} bytes are expected, better {GOOD_PROOF} or more"
        )
    return read


def channel_url(value: object) -> SecretStr:
    """Take a channel's URL; whether Apprise knows it is asked later."""
    read = secret(value)
    if "://" not in read.get_secret_value() and not isinstance(value, Unread):
        raise ValueError('this is not a URL with a scheme, e.g. "console://front-desk" or "mailtos://..."')
    return read


def channel_name(value: str) -> str:
    """Take a name that `notify` and a metric's label can hold."""
    if not _CHANNEL_NAME.fullmatch(value):
        raise ValueError(
            f"{shown(value)} is not a channel's name: letters, digits, `-`, `_` and `.`, at most 64"
        )
    return value


def event_alias(value: str) -> str:
    """Take another name of an event type, one that is not itself an event type."""
    if not value.strip() or not value.isprintable() or len(value) > MAX_TEXT or "*" in value:
        raise ValueError(
            f"{shown(value)} is not one event type as Zenoti sends it: at most {MAX_TEXT} characters, without `*`"
        )
    if label(value) != "other":
        raise ValueError(f"{shown(value)} is known as an event type of its own: it cannot stand for another")
    return value


def event_type(value: object) -> str:
    """Read an event type that is known; return it in the catalog's spelling."""
    known = label(text(value))
    if known == "other":
        hint = did_you_mean(text(value), EVENT_TYPES)
        raise ValueError(f"{shown(value)} is not an event type that zennotify knows{hint}")
    return known


def store_url(value: object, folder: Path) -> str:
    """Read the store's URL; a path of SQLite is relative to the file's folder."""
    written = text(value).strip()
    scheme, separator, rest = written.partition("://")
    if scheme == "sqlite":
        return _sqlite(rest, folder)
    if not separator or scheme != "postgresql":
        hint = did_you_mean(scheme, ["sqlite", "postgresql"])
        raise ValueError(f"the store is sqlite:///file.db or postgresql://user@host/db{hint}")
    try:
        parts = urlsplit(written)
        named = bool(parts.path.strip("/")) and parts.port != 0
    except ValueError:
        named = False
    if not named:
        raise ValueError("this is not a URL of a database, e.g. postgresql://user@host/db")
    return written


def _sqlite(rest: str, folder: Path) -> str:
    name = rest.removeprefix("/")
    if not rest.startswith("/") or not name or name == ":memory:" or name.endswith("/"):
        raise ValueError(
            "the store is kept in a file: sqlite:///zennotify.db, or sqlite:////var/lib/zennotify/z.db"
        )
    if "?" in name or "#" in name:
        raise ValueError("only the path of a file follows sqlite:///, without ? and #")
    return f"sqlite:///{folder / name}"


def web_url(value: object) -> str:
    """Take the URL of a web site, without a slash at the end."""
    written = text(value).strip()
    match = _WEB_URL.fullmatch(written)
    if match is None or int(match[1] or 0) > 65535:
        why = ""
        if not written.startswith(("https://", "http://")):
            why = ", which begins with https:// or http://"
        elif "?" in written or "#" in written:
            why = " without `?` and `#`"
        raise ValueError(f"this is not the URL of a web site{why}, e.g. https://alerts.example.com")
    return written.rstrip("/")


def url_path(value: object) -> str:
    """Take the path that the webhook is posted to."""
    written = text(value)
    if not _URL_PATH.fullmatch(written) or len(written) > 200:
        raise ValueError(f"{shown(value)} is not the path of a URL, e.g. /webhooks/zenoti")
    return str(written)


def header(value: object) -> str:
    """Take the name of an HTTP header."""
    if not _HEADER.fullmatch(text(value)):
        raise ValueError(f"{shown(value)} is not the name of an HTTP header, e.g. zenoti-webhook-signature")
    return str(value).lower()


def rates(value: object) -> tuple[Rate, ...]:
    """Read `1/m` or a list of such: so many messages in a second, minute, hour or day."""
    if value is None:
        return ()
    listed = value if isinstance(value, list | tuple) else [value]
    if not 1 <= len(listed) <= _MOST_RATES:
        raise ValueError("a rate or a list of a few is expected, e.g. 1/s or [1/s, 60/h]")
    return tuple(map(_rate, listed))


def _rate(value: object) -> Rate:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        raise ValueError(f"a rate needs its time, e.g. {value}/h or {value}/m")
    if not isinstance(value, str):
        raise ValueError(f"a rate is expected, e.g. 1/m or 100/h, not {kind(value)}")  # noqa: TRY004 - as above
    match = _RATE.fullmatch(value)
    if match is None:
        raise ValueError(f"{shown(value)} is not a rate, e.g. 1/m or 100/h")
    return rate_of(int(match[1]), match[2])


def fallback(value: object) -> object:
    """Take the name of a channel for `{channel: name}`."""
    if value is None or isinstance(value, dict):
        return value
    if not isinstance(value, str):
        example = "{channel: manager-mail, after: 15m}"
        raise ValueError(f"the name of a channel is expected, or e.g. {example}, not {kind(value)}")  # noqa: TRY004 - as above
    return {"channel": text(value)}


def limits(value: object) -> tuple[Rate, ...]:
    """Read `5/d` or a list of such limits, one for each unit."""
    if isinstance(value, list) and not value:
        raise ValueError("a limit is expected, e.g. 5/d")
    read = [_limit(one) for one in (value if isinstance(value, list) else [value])]
    units = [limit.unit for limit in read]
    for unit in units:
        if units.count(unit) > 1:
            raise ValueError(f"there are two limits for the same time: one /{unit} is expected")
    return tuple(read)


def _limit(value: object) -> Rate:
    try:
        return _rate(str(value) if isinstance(value, int) else value)
    except ValueError:
        raise ValueError(f"{shown(value)} is not a limit with its time, e.g. 5/d or 3/h") from None


def phone_prefix(value: object) -> str:
    """Take the beginning of phone numbers: a country code, or more."""
    if not _PREFIX.fullmatch(text(value)):
        raise ValueError(
            f'{shown(value)} is not how a phone number begins: a country code, e.g. "+1" or "+44"'
        )
    return str(value)


def time_zone(value: object) -> str:
    """Take the name of a time zone."""
    return parse_time_zone(str(text(value)))


def locale(value: object) -> str:
    """Take the name of a locale that messages can be written in."""
    name = str(text(value))
    try:
        style(name)
    except ValueError:
        raise ValueError(f"{shown(value)} is not a locale that is known, e.g. en-US") from None
    return name


def count(value: object, low: int, high: int) -> int:
    """Read a whole number between two others; `${...}` gives it as text."""
    if isinstance(value, Filled) and value.isascii() and value.isdigit():
        value = int(value[:9])
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"a whole number from {low} to {high} is expected")
    return value
