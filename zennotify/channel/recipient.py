"""Whom does a message reach?  One address or one number, from the configuration or from an event.

Called by address.py.  Nothing is raised here that repeats what was given: it is a guest's, or may be a secret.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from zennotify.core.model import Form

#: In the place of a recipient that comes from the event, to look whether the rest can be used.
EXAMPLES: Final = {Form.EMAIL: "guest@example.com", Form.SMS: "+12065550100"}

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_WORD: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL_PART: Final = re.compile(rf"(?=.{{1,64}}\Z){_WORD}(?:\.{_WORD})*")
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = re.compile(rf"(?:{_LABEL}\.)*(?!\d+\Z){_LABEL}")
_LONGEST_ADDRESS: Final = 254


def is_for_guests(to: str | None) -> bool:
    """Return whether the recipient of a channel comes from the event."""
    return to is not None and ("{{" in to or "{%" in to)


def check_number(to: str) -> str:
    """Return a number of the configuration, which is exact; ValueError for what is none."""
    if not _E164.fullmatch(to):
        raise ValueError('`to` must be one phone number in international form, such as "+12065550100"')
    try:
        exact = read_number(to, None)
    except ValueError as error:
        raise ValueError(f"`to` is no number to write to: {error}") from None
    if exact != to:
        raise ValueError(
            "`to` must be a phone number as it is dialled from abroad, without the 0 behind the country code"
        )
    return to


def check_mail(to: str) -> str:
    """Return an e-mail address of the configuration as mail servers know it; ValueError for what is none."""
    address = _read_mail(to)
    if address is None:
        raise ValueError("`to` must be one e-mail address, such as manager@example.com")
    return address


def read_number(said: str, country: str | None) -> str:
    """Return a number in E.164; see phone.py, which is loaded by whoever needs it."""
    from zennotify.channel import phone

    return phone.read_number(said, country)


def read_mail(said: str) -> str:
    """Return the e-mail address that an event gives; ValueError where it is not one address."""
    address = _read_mail(said)
    # A name without a dot is a machine of ours: root@localhost is for the configuration to write to.
    if address is None or "." not in address.rpartition("@")[2]:
        raise ValueError("one e-mail address is expected, without a name or a second one")
    return address


def _read_mail(said: str) -> str | None:
    """Return an address with its domain as mail servers know it; None where it is not one address.

    A domain of other letters becomes its ASCII form (xn--...), so that a Cyrillic letter is not taken for a Latin one
    wherever the address is shown.
    """
    name, _, domain = said.rpartition("@")
    if len(said) > _LONGEST_ADDRESS or not _LOCAL_PART.fullmatch(name):
        return None
    domain = domain.lower() if domain.isascii() else _in_ascii(domain)
    fits = _DOMAIN.fullmatch(domain) and len(name) + len(domain) < _LONGEST_ADDRESS
    return f"{name}@{domain}" if fits else None


def _in_ascii(domain: str) -> str:
    """Return a domain in ASCII, or "" where not all readers would come to the same one.

    Python knows the older of the two standards, which reads ß as ss: whatever it changes is refused.
    """
    written = unicodedata.normalize("NFC", domain.lower())
    try:
        encoded = written.encode("idna")
        return encoded.decode("ascii").lower() if encoded.decode("idna") == written else ""
    except UnicodeError:
        return ""
