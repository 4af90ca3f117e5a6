"""What counts as a phone number: read exactly, in every country, and refused in words that do not repeat it."""

from __future__ import annotations

import subprocess
import sys

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from zennotify.channel.phone import read_number

READ = [
    # As Zenoti sends them: international, whatever the centre's country is.
    ("+1 2065550100", None, "+12065550100"),
    ("+1 2065550100", "IN", "+12065550100"),
    ("+91 98851 17036", "US", "+919885117036"),
    ("+61 237872988", None, "+61237872988"),
    ("+353 85 012 3456", None, "+353850123456"),
    # Reserved for examples, so that they belong to nobody.
    ("+15555550100", None, "+15555550100"),
    ("+447700900123", None, "+447700900123"),
    # As people write them at home.
    ("(206) 555-0100", "US", "+12065550100"),
    ("206.555.0100", "CA", "+12065550100"),
    ("1-206-555-0100", "US", "+12065550100"),
    ("1 (206) 555 0100", "US", "+12065550100"),
    ("12065550100", "US", "+12065550100"),
    ("07911 123456", "GB", "+447911123456"),
    ("085 012 3456", "IE", "+353850123456"),
    ("0412 345 678", "AU", "+61412345678"),
    ("021 123 4567", "NZ", "+64211234567"),
    ("098123 45678", "IN", "+919812345678"),
    ("919812345678", "IN", "+919812345678"),
    ("050 123 4567", "AE", "+971501234567"),
    ("0171/1234567", "DE", "+491711234567"),
    ("[0171] 1234567", "DE", "+491711234567"),
    ("06 12 34 56 78", "FR", "+33612345678"),
    ("312 345 6789", "IT", "+393123456789"),
    ("06 6982 1234", "IT", "+390669821234"),  # in Italy the 0 belongs to the number
    ("8 (912) 345-67-89", "RU", "+79123456789"),
    ("11 15 2345 6789", "AR", "+5491123456789"),
    ("55 1234 5678", "MX", "+525512345678"),
    ("8123 4567", "SG", "+6581234567"),
    ("010-2000-0000", "KR", "+821020000000"),
    # The trunk zero between country code and number.
    ("+44 (0)7911 123456", None, "+447911123456"),
    ("+44 07911 123456", None, "+447911123456"),
    ("+91 098123 45678", None, "+919812345678"),
    ("+7 8 912 345 67 89", None, "+79123456789"),
    # As they are dialled abroad: 00 in most of the world, 011 in North America.
    ("00447911123456", "IE", "+447911123456"),
    ("00 1 206 555 0100", "GB", "+12065550100"),
    ("011 44 7911 123456", "US", "+447911123456"),
    ("0011 1 206 555 0100", "AU", "+12065550100"),
    # Other scripts and widths, and what a telephone copies with a number.
    ("０９０－１２３４－５６７８", "JP", "+819012345678"),
    ("＋８１９０１２３４５６７８", None, "+819012345678"),
    ("٠١٠٠١٢٣٤٥٦٧", "EG", "+201001234567"),
    ("\u202a+1 (206)\u00a0555\u20110100\u202c", None, "+12065550100"),
    ("\u200e+1\u200b206\u2060555\u00ad0100\u2069", None, "+12065550100"),
    ("  +1 206 555 0100 ", None, "+12065550100"),
]
ONE = "one phone number is expected, without letters and without an extension"
NO_COUNTRY = "the phone number has no country code, and its centre no `country` in centers.yaml"
NOBODYS = "the phone number begins with a country code that no country has"
SHORT = "a phone number is expected, this is a short code"
COSTLY = "zennotify does not write to numbers that cost extra"
TEN = "a phone number of its country has 10 digits behind the country code"
REFUSED = [
    ("", "US", ONE),
    ("+", None, ONE),
    ("n/a", "US", ONE),
    ("1-800-FLOWERS", "US", ONE),
    ("555-0100;ext=1", "US", ONE),
    ("206 555 0100 x5", "US", ONE),
    ("206 555 0100 ext. 5", "US", ONE),
    ("206 555 0100#5", "US", ONE),
    ("206 555 0100,5", "US", ONE),
    ("tel:+12065550100", None, ONE),
    ("w:+12065550100", None, ONE),
    ("+12065550100;phone-context=+44", None, ONE),
    ("++12065550100", None, ONE),
    ("+1+2065550100", None, ONE),
    ("+12065550100 +12065550101", None, ONE),
    ("+12065550100,+12065550101", None, ONE),
    ("+12065550100;+12065550101", None, ONE),
    ("+12065550100\r\n+12065550101", None, ONE),
    ("+1206555\t0100", None, ONE),
    ("+1206555\x000100", None, ONE),
    ("²065550100", "US", ONE),
    ("2" * 65, "US", ONE),
    ("---", "US", "one phone number is expected, of the usual length"),
    ("2" * 30, "US", "one phone number is expected, of the usual length"),
    ("206 555 0100", None, NO_COUNTRY),
    ("206 555 0100", "XX", NO_COUNTRY),
    ("00447911123456", None, NO_COUNTRY),
    ("+999 123 456 789", None, NOBODYS),
    ("+0 206 555 0100", None, NOBODYS),
    ("555-0100", "US", TEN),
    ("+1206555010", None, TEN),
    ("+120655501000", None, TEN),
    ("00447911123456", "US", TEN),
    ("07911 123456", "US", TEN),
    ("206 555 0100 / 206 555 0101", "US", "one phone number is expected, of the usual length"),
    ("+44 7911 1234", None, "a phone number of its country has 7, 9 or 10 digits behind the country code"),
    ("+49 123", None, "a phone number of its country has 5 to 15 digits behind the country code"),
    ("911", "US", SHORT),
    ("72345", "US", SHORT),
    ("112", "DE", SHORT),
    ("11833", "DE", SHORT),
    ("+49 11833", None, SHORT),
    ("999", "GB", SHORT),
    ("+1 900 555 0100", None, COSTLY),
    ("0909 879 1234", "GB", COSTLY),
    ("0900 1 123456", "DE", COSTLY),
    ("+979 1 2345 6789", None, COSTLY),
]


@pytest.mark.parametrize(("said", "country", "number"), READ)
def test_a_number_is_read_as_it_is_dialled(said: str, country: str | None, number: str) -> None:
    assert read_number(said, country) == number
    assert read_number(number, None) == number


@pytest.mark.parametrize(("said", "country", "sentence"), REFUSED)
def test_what_is_no_number_to_write_to_is_refused(said: str, country: str | None, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        read_number(said, country)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("country", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_every_countrys_numbers_are_read_at_home_and_abroad(country: str) -> None:
    kinds = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE, PhoneNumberType.FIXED_LINE)
    examples = [one for kind in kinds if (one := phonenumbers.example_number_for_type(country, kind))]
    assert examples
    for example in examples:
        number = phonenumbers.format_number(example, PhoneNumberFormat.E164)
        assert read_number(number, None) == number
        for style in (PhoneNumberFormat.NATIONAL, PhoneNumberFormat.INTERNATIONAL):
            assert read_number(phonenumbers.format_number(example, style), country) == number


@pytest.mark.parametrize("country", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_no_countrys_premium_numbers_are_read(country: str) -> None:
    for kind in (PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST):
        example = phonenumbers.example_number_for_type(country, kind)
        if example is not None:
            with pytest.raises(ValueError, match=COSTLY):
                read_number(phonenumbers.format_number(example, PhoneNumberFormat.E164), None)


#: What numbers are written with, and what gets among them.
signs = st.sampled_from([*"0123456789+-() ./x;,#\r\n", "٣", "８", "＋", "\u202e", "\u200b", "\u00a0", "a"])


@given(st.lists(signs, max_size=24).map("".join), st.sampled_from([None, "US", "GB", "DE", "IT", "XX"]))
def test_whatever_is_said_becomes_e164_or_a_sentence_without_it(said: str, country: str | None) -> None:
    number = sentence = ""
    try:
        number = read_number(said, country)
    except ValueError as error:
        sentence = str(error)
    if number:
        assert number.isascii()
        assert number[0] == "+"
        assert 7 <= len(number[1:]) <= 15
        assert number[1:].isdigit()
        assert read_number(number, None) == number
    else:
        assert not [part for part in said.split() if len(part) > 3 and part in sentence]


def test_phonenumbers_is_loaded_by_channels_that_write_to_phones_only() -> None:
    code = (
        "import sys; from zennotify.channel import check_url;"
        "check_url('mailto://user:pass@example.com', '{{ guest.email }}', None);"
        "check_url('console://sms', '{{ guest.phone }}', None); print('phonenumbers' in sys.modules);"
        f"check_url('twilio://AC{'a' * 32}:{'b' * 32}@+12065550111', '{{{{ guest.phone }}}}', None);"
        "print('phonenumbers' in sys.modules, [name for name in sys.modules if 'phonenumbers.geodata' in name])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split("\n")[:2] == ["False", "True []"]
