"""What a channel's `url` means together with its `to`, and whether it may be used.

`url` is an Apprise URL or `console://name`.  How `to` joins it depends on what the service is:

======================  =====================================================================================
mail                    `to` is the one address: `mailtos://user:password@smtp.example.com` with
(mailto, ses, ...)      `to: manager@example.com`
phone                   `to` is the one number, international: `twilio://SID:TOKEN@+12065550111` with
(twilio, vonage, ...)   `to: "+12065550100"`; where Apprise wants the number in the place of the server, that place
                        stays empty: `clicksend://user:key@`
chat, web hooks         no `to`: the URL is the place (`slack://A/B/C`, `jsons://example.com/hook`)
console                 `to` is not needed, and ignored, so that only `url` changes when the real one comes
======================  =====================================================================================

Mail and phone need exactly one recipient, from the URL or from `to`, not both.  (Apprise would take several, and a
retry would tell those again who were told; and it would write to the sender itself where a number is mistyped.)
Called by `zennotify check` and by apprise_channel.py.  No sentence made here shows a part of the URL.
"""

from __future__ import annotations

import logging
import re
import warnings
from contextlib import suppress
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from zennotify.channel.dial import is_forbidden
from zennotify.channel.recipient import (
    EXAMPLES,
    check_mail,
    check_number,
    is_for_guests,
    read_mail,
    read_number,
)
from zennotify.channel.services import HINTS, SERVICES, Service
from zennotify.core.model import Form

if TYPE_CHECKING:
    from apprise import AppriseAsset, NotifyBase


class ChannelProblem(Exception):  # noqa: N818 - it is one, and named so wherever it is told
    """A channel cannot be used; the text is one sentence without the URL or a secret."""


class RecipientProblem(ChannelProblem):
    """It is its `to` that cannot be used."""


CONSOLE: Final = "console"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
#: Settings that make a service read a file of the machine, or fetch an address, and send what it finds.
_FILE_SETTINGS: Final = frozenset(
    {"attach", "attach-as", "attachment", "config", "file", "filename", "keyfile", "path", "pgp"}
    | {"pgppub", "pgpprv", "pgpkey", "wkd"}
)
#: Settings that make one message several, or repeat it where the outbox does not see it.
_MANY_SETTINGS: Final = frozenset({"cc", "bcc", "batch", "retry", "wait", "overflow"})


def check_url(url: str, to: str | None, form: Form | None) -> Form:
    """Return the form in which this channel's messages are written; raise ChannelProblem if it cannot be used."""
    scheme = scheme_of(url)
    if scheme == CONSOLE:
        return form or Form.CHAT
    make_plugin(url, to)
    return form or SERVICES[scheme].form


def form_of(url: str) -> Form | None:
    """Return the form of a URL's service, as far as its beginning tells: of one whose secret is not at hand."""
    match = _SCHEME.match(url)
    service = SERVICES.get(match[1].casefold()) if match else None
    return None if service is None else service.form


def scheme_of(url: str) -> str:
    """Return the URL's scheme; raise ChannelProblem where it is none that zennotify sends through."""
    if "{{" in url or "{%" in url:
        msg = (
            "a channel's `url` is fixed and cannot hold {{ }}; what changes with the event belongs into `to`"
        )
        raise ChannelProblem(msg)
    if any(character.isspace() or not character.isprintable() for character in url):
        msg = "`url` holds a blank or a line break; inside a password write it as %20"
        raise ChannelProblem(msg)
    match = _SCHEME.match(url)
    if match is None:
        msg = "`url` must begin with a service, such as slack:// or mailtos://"
        raise ChannelProblem(msg)
    scheme = match[1].casefold()
    if scheme != CONSOLE and scheme not in SERVICES:
        raise ChannelProblem(f"zennotify does not send through {scheme}://; {_hint(scheme)}")
    return scheme


def _hint(scheme: str) -> str:
    if scheme in HINTS:
        return HINTS[scheme]
    near = get_close_matches(scheme, [*SERVICES, CONSOLE], 1)
    return (
        f"did you mean {near[0]}://?" if near else "use slack://, mailtos://, twilio://, jsons:// or another"
    )


def make_plugin(url: str, to: str | None) -> NotifyBase:
    """Return a new Apprise object for this channel; raise ChannelProblem where there is anything wrong."""
    return _make_plugin(url, None if to is None else _recipient(to, scheme_of(url)))


def _make_plugin(url: str, to: str | None) -> NotifyBase:
    """Do the same for a recipient that has been looked at."""
    scheme = scheme_of(url)
    service = SERVICES[scheme]
    kind = _load(service)
    parts = kind.parse_url(url.replace("/#", "/%23"))
    if not parts:
        raise ChannelProblem(f"`url` cannot be read; {_shape(kind, scheme)}")
    _check_settings(parts["qsd"], service)
    _set_recipient(parts, to, service.form)
    # Pictures and footers would come from Apprise's own site, and tell every reader that it was Apprise.
    parts |= {f"include_{ornament}": False for ornament in _ORNAMENTS if _is_unset(parts, ornament)}
    try:
        plugin: NotifyBase = kind(**parts, asset=_asset())
    except Exception:  # whatever a service thinks of its URL; its text may quote a token
        raise ChannelProblem(f"`url` is not complete; {_shape(kind, scheme)}") from None
    if hasattr(plugin, "avatar") and "avatar" not in parts["qsd"]:  # the same, where it is called so
        plugin.avatar = False
    if to is not None and service.form is Form.EMAIL:
        _aim(plugin, to)
    _check_plugin(plugin, service, scheme, to)
    return plugin


def _aim(plugin: Any, to: str) -> None:
    """Make sure that this very address gets the mail: Apprise takes some that have a ' in them apart."""
    targets = [target[-1] if isinstance(target, tuple) else target for target in plugin.targets]
    if [str(target).casefold() for target in targets] != [to.casefold()]:
        if not (plugin.targets and isinstance(plugin.targets[0], tuple)):
            raise RecipientProblem("this service does not take this address")
        plugin.targets = [(False, to)]


_ORNAMENTS: Final = ("image", "footer")


def _is_unset(parts: dict[str, Any], ornament: str) -> bool:
    return f"include_{ornament}" in parts and ornament not in parts["qsd"]


def _check_settings(settings: dict[str, str], service: Service) -> None:
    refused = _FILE_SETTINGS | ({"template"} if service.form is Form.CHAT else set())
    if found := refused & settings.keys():
        raise ChannelProblem(f"`url` may not use {min(found)}=: a channel sends messages, not files")
    if found := _MANY_SETTINGS & settings.keys():
        raise ChannelProblem(
            f"`url` may not use {min(found)}=: one channel sends one message to one recipient, "
            "and zennotify itself repeats what failed"
        )
    # Read in another way than it was written, a value would mean something again.
    if "format" in settings and service.form in {Form.CHAT, Form.SMS}:
        raise ChannelProblem("`url` may not use format=: a message is written as its service reads it")


def _recipient(to: str, scheme: str) -> str:
    """Return the recipient that a channel's `to` means; of a channel for guests, one like theirs."""
    form = SERVICES[scheme].form
    if form not in {Form.EMAIL, Form.SMS}:
        raise RecipientProblem(f"`to` cannot be used with {scheme}://: its `url` already says where")
    given = EXAMPLES[form] if is_for_guests(to) else to  # what an event gives is looked at when it comes
    try:
        return check_number(given) if form is Form.SMS else check_mail(given)
    except ValueError as error:
        raise RecipientProblem(str(error)) from None


def _set_recipient(parts: dict[str, Any], to: str | None, form: Form) -> None:
    """Put the recipient into the parts of a URL."""
    if form not in {Form.EMAIL, Form.SMS}:
        return
    named = [target for target in parts.get("targets") or () if target]
    if to is None:
        if not named:
            example = "manager@example.com" if form is Form.EMAIL else '"+12065550100"'
            raise ChannelProblem(f"no recipient: add `to: {example}`")
        return
    if named:
        msg = "`url` names a recipient and `to` another one; keep one of them"
        raise ChannelProblem(msg)
    parts["targets"] = [to]


def medium_of(url: str, to: str, form: Form | None) -> Form:
    """Return how a channel for guests reaches them, by mail or by phone, whatever form its messages have."""
    with suppress(ChannelProblem):  # as where its secret cannot be read
        scheme = scheme_of(url)
        if scheme != CONSOLE:
            return SERVICES[scheme].form
    return Form.SMS if form is Form.SMS or "phone" in to else Form.EMAIL


def guest_address(said: str, url: str, medium: Form, country: str | None) -> str:
    """Return the recipient that an event gives as the channel of this `url` takes it.

    ChannelProblem where there is none that it can write to; `country` is where a number without a country code is
    dialled.
    """
    try:
        recipient = read_number(said, country) if medium is Form.SMS else read_mail(said)
    except ValueError as error:
        raise ChannelProblem(str(error)) from None
    if scheme_of(url) != CONSOLE:
        _make_plugin(url, recipient)  # not every service takes every number
    return recipient


def _check_plugin(plugin: NotifyBase, service: Service, scheme: str, to: str | None) -> None:
    recipients = len(plugin)
    # What Apprise dropped as invalid is not counted.  Telegram without a chat goes to whoever wrote to the bot last.
    if (service.form in {Form.EMAIL, Form.SMS} or scheme == "tgram") and hasattr(plugin, "targets"):
        recipients = len(plugin.targets)
    if recipients == 0 and to is not None:
        raise RecipientProblem(f"`to` is no recipient that {scheme}:// takes")
    if recipients == 0:
        raise ChannelProblem(f"`url` names no recipient that {scheme}:// takes")
    if recipients > 1:
        raise ChannelProblem(
            f"`url` names {recipients} recipients; make one channel for each, so that a retry repeats none"
        )
    if "{host}" in str(plugin.templates) and any(
        is_forbidden(str(getattr(plugin, key, ""))) for key in ("host", "smtp_host")
    ):
        msg = "`url` leads to a link-local or metadata address, which zennotify never talks to"
        raise ChannelProblem(msg)
    if scheme in {"mailto", "mailtos"} and not f"{plugin.user}{plugin.password}".isascii():
        msg = "the login in `url` may hold ASCII characters only: Python's mail library sends no others"
        raise ChannelProblem(msg)
    if not plugin.enabled:
        raise ChannelProblem(f"{scheme}:// needs a Python package that is not installed")


def _shape(kind: type[NotifyBase], scheme: str) -> str:
    templates: tuple[str, ...] = kind.templates
    shapes = [template.replace("{schema}", scheme) for template in templates[:2]]
    return f"expected {' or '.join(shapes)}"


@cache
def _load(service: Service) -> type[NotifyBase]:
    _quieten()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Apprise imports imghdr
        kind: type[NotifyBase] = getattr(import_module(service.module), service.name)
    return kind


@cache
def _asset() -> AppriseAsset:
    from apprise import AppriseAsset

    return AppriseAsset(app_id="zennotify", service_timeout=0, http_redirects=False, storage_mode="memory")


@cache
def _quieten() -> None:
    """Keep what Apprise and urllib3 would log to themselves: tokens, addresses and messages."""
    for name in ("apprise", "urllib3"):
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)
        logger.addHandler(logging.NullHandler())
