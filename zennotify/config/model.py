"""What can config.yaml hold, and what holds without it?  One class per section; defaults are written as in the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, SecretStr, ValidationInfo

from zennotify.config import values
from zennotify.config.values import Address, Network
from zennotify.core.cap import Cap
from zennotify.core.model import Form
from zennotify.core.rate import Rate
from zennotify.core.verdict import OnUnknown


class Verify(StrEnum):
    """What a wrong signature leads to."""

    RECORD = "record"
    ENFORCE = "enforce"
    OFF = "off"


def _default(written: Any) -> Any:
    """Return a default as it would stand in the file; it is read like a value from there."""
    return Field(default=written, validate_default=True)


def _folder(info: ValidationInfo) -> Path:
    return info.context["folder"] if info.context else Path.cwd()


def _in_folder(read: Callable[[object, Path], Any]) -> PlainValidator:
    def read_in_folder(value: object, info: ValidationInfo) -> Any:
        return read(value, _folder(info))

    return PlainValidator(read_in_folder)


def _span(low: timedelta, high: timedelta) -> PlainValidator:
    return PlainValidator(lambda value: values.duration(value, low, high))


def _wait(value: object) -> timedelta:
    if value == 0 and not isinstance(value, bool):
        return timedelta(0)
    return values.duration(value, timedelta(0), timedelta(days=7))


def _waits(value: object) -> object:
    if isinstance(value, list) and not 1 <= len(value) <= 20:
        raise ValueError("a list of 1 to 20 waits is expected")
    return value


def _prefixes(value: object) -> object:
    if value == []:
        raise ValueError('a list of how numbers begin is expected, e.g. ["+1"]')
    return _listed(value)


def _listed(value: object) -> object:
    """`x` is the same as `[x]`."""
    return [value] if isinstance(value, str) else value


_Text = Annotated[str, PlainValidator(lambda value: str(values.text(value)))]
_Address = Annotated[Address, _in_folder(values.address)]
_Path = Annotated[Path, _in_folder(values.path)]
_Secret = Annotated[SecretStr, PlainValidator(values.secret)]
_Kept = Annotated[timedelta, _span(timedelta(hours=1), timedelta(days=3650))]
_Networks = Annotated[
    tuple[Annotated[Network, PlainValidator(values.narrow_network)], ...], BeforeValidator(_listed)
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ServerConfig(_Section):
    """The public side: where Zenoti posts to, and how it proves itself."""

    listen: _Address = _default("127.0.0.1:8080")
    public_url: Annotated[str, PlainValidator(values.web_url)] | None = None
    path: Annotated[str, PlainValidator(values.url_path)] = "/webhooks/zenoti"
    max_body: Annotated[int, PlainValidator(values.size)] = _default("1MiB")
    token: Annotated[SecretStr, PlainValidator(values.proof)] | None = None
    allow_from: _Networks = ()
    secrets: Annotated[
        tuple[Annotated[SecretStr, PlainValidator(values.proof)], ...], BeforeValidator(_listed)
    ] = ()
    signature_header: Annotated[str, PlainValidator(values.header)] = "zenoti-webhook-signature"
    verify: Verify = Verify.RECORD
    trusted_proxies: _Networks = ()

    @property
    def has_proof(self) -> bool:
        """A stranger is refused: by token, by address, or by a signature that is enforced."""
        signed = bool(self.secrets) and self.verify is Verify.ENFORCE
        return bool(self.token or self.allow_from or signed)


class AdminConfig(_Section):
    """The operators' side."""

    listen: _Address = _default("127.0.0.1:8081")
    control: _Address = _default("unix:zennotify.sock")


class Keep(_Section):
    """How long things are kept."""

    events: _Kept = _default("90d")
    facts: _Kept = _default("400d")
    dead: _Kept = _default("90d")
    quarantine: _Kept = _default("14d")


class StoreConfig(_Section):
    """Where events and deliveries are kept."""

    #: May hold a password, so that it is left out of repr.
    url: Annotated[str, _in_folder(values.store_url)] = Field(
        default="sqlite:///zennotify.db", validate_default=True, repr=False
    )
    keep: Keep = _default({})

    @property
    def file(self) -> Path | None:
        """The file of SQLite; None on PostgreSQL."""
        return Path(self.url.removeprefix("sqlite:///")) if self.url.startswith("sqlite:") else None


class FallbackConfig(_Section):
    """Who is told instead, and when; a plain text is the name of the channel."""

    channel: _Text
    #: How long a message may be late.
    after: Annotated[timedelta, _span(timedelta(0), timedelta(days=30))] = _default("15m")
    #: None: as many as `retry` has.
    tries: Annotated[int, PlainValidator(lambda value: values.count(value, 1, 20))] | None = None


class ChannelConfig(_Section):
    """One way out."""

    #: Empty where its secret could not be read; then ConfigFile.missing names it.
    url: Annotated[SecretStr, PlainValidator(values.channel_url)]
    to: _Text | None = Field(default=None, repr=False)
    form: Form | None = None
    rate: Annotated[tuple[Rate, ...], PlainValidator(values.rates)] = ()
    fallback: Annotated[FallbackConfig | None, BeforeValidator(values.fallback)] = None
    #: None: resend, and hold where it is an SMS.
    on_unknown: OnUnknown | None = None
    consent: Literal["not-needed"] | None = None
    allowed_prefixes: (
        Annotated[
            tuple[Annotated[str, PlainValidator(values.phone_prefix)], ...],
            BeforeValidator(_prefixes),
        ]
        | None
    ) = None
    per_recipient: Annotated[tuple[Rate, ...], PlainValidator(values.limits)] | None = None
    per_day: Annotated[int, PlainValidator(lambda value: values.count(value, 1, 1_000_000))] | None = None
    max_segments: Annotated[int, PlainValidator(lambda value: values.count(value, 1, 10))] | None = None
    concurrency: Annotated[int, PlainValidator(lambda value: values.count(value, 1, 64))] = 4
    timeout: Annotated[timedelta, _span(timedelta(seconds=1), timedelta(seconds=120))] = _default("10s")
    #: The waits before the first try, the second, ...
    retry: Annotated[tuple[Annotated[timedelta, PlainValidator(_wait)], ...], BeforeValidator(_waits)] = (
        _default(["0s", "5s", "30s", "5m", "30m", "2h", "5h", "10h"])
    )

    @property
    def cap(self) -> Cap | None:
        """The caps, where all of them are set."""
        if self.allowed_prefixes is None or self.per_recipient is None or self.per_day is None:
            return None
        return Cap(prefixes=self.allowed_prefixes, per_recipient=self.per_recipient, per_day=self.per_day)


class ZenotiApi(_Section):
    """Access to Zenoti's API."""

    key: _Secret
    base_url: Annotated[str, PlainValidator(values.web_url)] = "https://api.zenoti.com"


class Config(_Section):
    """All of config.yaml."""

    server: ServerConfig = _default({})
    admin: AdminConfig = _default({})
    store: StoreConfig = _default({})
    rules: _Path = _default("rules")
    templates: _Path = _default("templates")
    centers: _Path = _default("centers.yaml")
    time_zone: Annotated[str, PlainValidator(values.time_zone)] = "America/Los_Angeles"
    locale: Annotated[str, PlainValidator(values.locale)] = "en-US"
    class_times: Literal["center", "utc"] = "center"
    #: What Zenoti calls an event type -> the name that the catalog has for it.
    event_aliases: Mapping[
        Annotated[str, PlainValidator(values.event_alias)], Annotated[str, PlainValidator(values.event_type)]
    ] = Field(default_factory=dict)
    ops: Annotated[tuple[_Text, ...], BeforeValidator(_listed)] = ()
    zenoti_api: ZenotiApi | None = None
    channels: Mapping[Annotated[str, PlainValidator(values.channel_name)], ChannelConfig] = Field(
        default_factory=dict
    )
