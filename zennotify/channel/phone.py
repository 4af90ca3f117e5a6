"""Read a phone number, however people write it, as E.164.  The only door to phonenumbers.

A number counts when it has a length that numbers of its country have.  Whether anybody has it is not asked: what is
known of a country's ranges is older than the newest of them, and holds few of those that are reserved for examples.
Loaded by the first channel that writes to phones: it takes 20 ms and 2 MB, and each country that is met a little more.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import phonenumbers
from phonenumbers import (
    NumberParseException,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberType,
    ValidationResult,
)

#: Digits of any script and what people write between them; no letters, no second plus, no `x12` or `;ext=12`.
_WRITTEN: Final = re.compile(
    r"[+\uff0b]?[\d ()\[\]./\u00a0\u2010-\u2015\u2212\u3000\u30fc\uff08\uff09\uff0d-\uff0f-]+"
)
_LONGEST: Final = 64
#: With its country code; the shortest numbers that anybody can write to are Niue's.
_SHORTEST: Final = 7
_ODD: Final = "one phone number is expected, of the usual length"
#: Somebody pays more than for a message.
_COSTLY: Final = frozenset({PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST})


def read_number(said: str, country: str | None) -> str:
    """Return a number in E.164; ValueError, which does not repeat it, for one that cannot be written to.

    `country` (ISO 3166) is where it is dialled when it has no country code; None: then it is refused.
    """
    written = said.strip(" ")
    if not said.isascii():  # what is copied from a telephone comes between signs for the direction of writing
        written = "".join(sign for sign in said if unicodedata.category(sign) != "Cf").strip(" ")
    if len(written) > _LONGEST or not _WRITTEN.fullmatch(written):
        raise ValueError("one phone number is expected, without letters and without an extension")
    number = _parsed(written, country)
    full = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    region = phonenumbers.region_code_for_country_code(number.country_code or 0)
    if phonenumbers.is_valid_short_number_for_region(number, region):
        raise ValueError("a phone number is expected, this is a short code")
    length = phonenumbers.is_possible_number_with_reason(number)  # as it is dialled from everywhere
    if length != ValidationResult.IS_POSSIBLE or len(full) <= _SHORTEST:
        raise ValueError(
            f"a phone number of its country has {_lengths(number, region)} digits behind the country code"
        )
    kind = phonenumbers.number_type(number)
    if kind in _COSTLY:
        raise ValueError("zennotify does not write to numbers that cost extra")
    if kind == PhoneNumberType.UNKNOWN and not _is_exact(full):
        raise ValueError(_ODD)
    return full


def _is_exact(full: str) -> bool:
    """Return whether a number in E.164 is read as itself: not every one is that nobody can have."""
    return phonenumbers.format_number(_parsed(full, None), PhoneNumberFormat.E164) == full


def _parsed(written: str, country: str | None) -> PhoneNumber:
    try:
        return phonenumbers.parse(written, country)
    except NumberParseException as error:
        reason = error.error_type
    if reason != NumberParseException.INVALID_COUNTRY_CODE:
        raise ValueError(_ODD)
    if written.startswith(("+", "\uff0b")):
        raise ValueError("the phone number begins with a country code that no country has")
    raise ValueError("the phone number has no country code, and its centre no `country` in centers.yaml")


def _lengths(number: PhoneNumber, region: str) -> str:
    """Return how many digits the numbers of a country have, in words."""
    code = number.country_code or 0
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    known = metadata.general_desc.possible_length if metadata and metadata.general_desc else ()
    lengths = [length for length in known if length + len(str(code)) >= _SHORTEST]
    if len(lengths) > 2 and lengths[-1] - lengths[0] == len(lengths) - 1:
        return f"{lengths[0]} to {lengths[-1]}"
    return ", ".join(map(str, lengths[:-1])) + (" or " if len(lengths) > 1 else "") + str(lengths[-1])
