"""What a channel's URL means, and which ones are refused with which sentence."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

import pytest

from zennotify.channel import ChannelProblem, check_url, guest_address, medium_of
from zennotify.channel.address import make_plugin
from zennotify.channel.services import SERVICES
from zennotify.core.model import Form

SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
SID, TOKEN = "AC" + "a" * 32, "b" * 32
TWILIO = f"twilio://{SID}:{TOKEN}@+12065550111"
AWS = "AHIAJGNT76XIMXDBIJYA/bu1dHSdO22pfaaVy/wmNsdljF4C07D3bndi9PQJ9/us-east-2"
PHONE, MAIL = "+12065550100", "manager@example.com"

#: One URL for each service, as its owner would write it.
GOOD: dict[str, tuple[str, str | None]] = {
    "slack": (SLACK, None),
    "gchat": ("gchat://workspace/key/token", None),
    "discord": ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", None),
    "tgram": ("tgram://123456789:abcdefg_hijklmnop/12315544/", None),
    "workflow": ("workflow://host:443/workflow1a/signature/", None),
    "workflows": ("workflows://host:443/workflow1a/signature/", None),
    "mmost": ("mmost://localhost/token123456", None),
    "mmosts": ("mmosts://localhost/token123456", None),
    "rocket": ("rocket://user:pass@localhost/#room", None),
    "rockets": ("rockets://user:pass@localhost/#room", None),
    "webex": (f"webex://{'a' * 80}", None),
    "wxteams": (f"wxteams://{'a' * 80}", None),
    "zulip": (f"zulip://botname@apprise/{'a' * 32}/channel", None),
    "matrix": ("matrix://user:pass@localhost/#room", None),
    "matrixs": ("matrixs://user:pass@localhost/#room", None),
    "pover": (f"pover://{'u' * 30}@{'a' * 30}", None),
    "ntfy": ("ntfy://localhost/topic", None),
    "ntfys": ("ntfys://localhost/topic", None),
    "gotify": ("gotify://localhost/token", None),
    "gotifys": ("gotifys://localhost/token", None),
    "pagerduty": (f"pagerduty://{'i' * 32}@{'a' * 32}", None),
    "opsgenie": ("opsgenie://8b799edf-6f98-4d3a-9be7-2862fb4e5752", None),
    "signl4": ("signl4://secret", None),
    "mailto": ("mailto://user:pass@example.com", MAIL),
    "mailtos": ("mailtos://user:p%40ss@example.com?smtp=smtp.example.com", MAIL),
    "ses": (f"ses://user@example.com/{AWS}", MAIL),
    "sendgrid": ("sendgrid://abcd:user@example.com", MAIL),
    "mailgun": (f"mailgun://user@localhost.localdomain/{'a' * 32}-{'b' * 8}-{'c' * 8}", MAIL),
    "azure": (f"azure://user@example.com/tenant/{'a' * 8}-1111-1111-1111-{'b' * 12}/abcd/123/3343", MAIL),
    "o365": (f"o365://user@example.com/tenant/{'a' * 8}-1111-1111-1111-{'b' * 12}/abcd/123/3343", MAIL),
    "resend": ("resend://abcd:user@example.com", MAIL),
    "brevo": ("brevo://abcd:user@example.com", MAIL),
    "sparkpost": (f"sparkpost://user@localhost.localdomain/{'a' * 32}", MAIL),
    "twilio": (TWILIO, PHONE),
    "vonage": ("vonage://AC123456:secretsecret@12065550111", PHONE),
    "nexmo": ("nexmo://AC123456:secretsecret@12065550111", PHONE),
    "sinch": (f"sinch://{'a' * 32}:{'b' * 32}@12065550111", PHONE),
    "msgbird": (f"msgbird://{'a' * 25}/12065550111", PHONE),
    "clicksend": ("clicksend://user:key@", PHONE),
    "plivo": (f"plivo://{'a' * 25}@{'b' * 40}/12065550111", PHONE),
    "bulksms": ("bulksms://user:key@", PHONE),
    "telnyx": ("telnyx://KEY0123456789@12065550111", PHONE),
    "sns": (f"sns://{AWS}", PHONE),
    "signal": ("signal://localhost:8080/+12065550111", PHONE),
    "signals": ("signals://localhost:8080/+12065550111", PHONE),
    "whatsapp": ("whatsapp://token@12345", PHONE),
    "json": ("json://localhost:8080/hook", None),
    "jsons": ("jsons://user:pass@example.com/hook", None),
    "form": ("form://localhost/hook", None),
    "forms": ("forms://localhost/hook", None),
}


def problem(url: str, to: str | None = None) -> str:
    with pytest.raises(ChannelProblem) as caught:
        check_url(url, to, None)
    return str(caught.value)


@pytest.mark.parametrize("scheme", SERVICES)
def test_every_service_loads_and_names_one_recipient(scheme: str) -> None:
    url, to = GOOD[scheme]
    assert check_url(url, to, None) is SERVICES[scheme].form
    plugin = make_plugin(url, to)
    assert len(plugin) == 1
    assert scheme in {*_names(plugin.protocol), *_names(plugin.secure_protocol)}


def _names(protocol: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (protocol,) if isinstance(protocol, str) else tuple(protocol or ())


@pytest.mark.parametrize("scheme", [s for s, service in SERVICES.items() if service.form is Form.SMS])
def test_a_number_reaches_the_service(scheme: str) -> None:
    url, to = GOOD[scheme]
    held = str({k: v for k, v in vars(make_plugin(url, to)).items() if k in {"targets", "phone"}})
    assert "12065550100" in held
    assert "12065550111" not in held


def test_console_needs_no_apprise_and_ignores_a_recipient() -> None:
    code = (
        "import sys; from zennotify.channel import check_url;"
        "print(check_url('console://sms', '+12065550100', None)); print('apprise' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["chat", "False"]


def test_a_channel_loads_its_own_service_only() -> None:
    code = (
        f"import sys; from zennotify.channel import check_url; check_url({SLACK!r}, None, None);"
        "print(sum(name.startswith('apprise.plugins.') for name in sys.modules) < 10)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True"]


def test_the_form_may_be_chosen() -> None:
    assert check_url(SLACK, None, Form.SMS) is Form.SMS
    assert check_url("console://sms", None, Form.SMS) is Form.SMS


BAD = [
    ("slak://a/b/c", "zennotify does not send through slak://; did you mean slack://?"),
    ("mailtoss://x@y.z", "zennotify does not send through mailtoss://; did you mean mailtos://?"),
    ("syslog://localhost", "zennotify does not send through syslog://; use slack://, mailtos://,"),
    ("dbus://", "zennotify does not send through dbus://;"),
    ("windows://", "zennotify does not send through windows://;"),
    ("https://hooks.slack.com/services/A/B/C", "for a Slack webhook write slack:// and the three parts"),
    ("msteams://x", "write workflows://"),
    ("hooks.example.com", "`url` must begin with a service, such as slack:// or mailtos://"),
    ("", "`url` must begin with a service"),
    ("json://example.com/{{ data.id }}", "a channel's `url` is fixed and cannot hold {{ }}"),
    ("json://example.com/a b", "`url` holds a blank or a line break"),
    ("json://example.com/a\nb", "`url` holds a blank or a line break"),
    ("slack://T1JJ3T3L2/A1BRTD4JD", "expected slack://{token_a}/{token_b}/{token_c}"),
    ("slack://T1JJ3T3L2/A1BRTD4JD/!!!", "expected slack://{token_a}/{token_b}/{token_c}"),
    (f"{SLACK}/#front/#back", "`url` names 2 recipients; make one channel for each"),
    ("tgram://123456789:abcdefg_hijklmnop", "`url` names no recipient that tgram:// takes"),
    ("mailto://user:pass@example.com", "no recipient: add `to: manager@example.com`"),
    ("mailto://user:pass@example.com/a@b.com/c@d.com", "`url` names 2 recipients"),
    ("mailto://user:pass@example.com?to=nobody", "`url` names no recipient that mailto:// takes"),
    ("mailto://user:pass@example.com?to=a@b.com&cc=c@d.com", "`url` may not use cc=: one channel sends one"),
    ("mailto://user:pass@example.com?to=a@b.com&bcc=c@d.com", "`url` may not use bcc="),
    ("mailto://user:pass@example.com?to=a@b.com&pgppub=/etc/passwd", "`url` may not use pgppub=: a channel"),
    ("mailto://user:w%C3%B6rd@example.com?to=a@b.com", "the login in `url` may hold ASCII characters only"),
    (TWILIO, 'no recipient: add `to: "+12065550100"`'),
    (f"{TWILIO}/555", "`url` names no recipient that twilio:// takes"),
    ("clicksend://user:key@12065550100/12065550101?batch=yes", "`url` may not use batch="),
    (f"{SLACK}?template=/etc/passwd", "`url` may not use template=: a channel sends messages, not files"),
    ("ntfy://topic?attach=file:///etc/passwd", "`url` may not use attach="),
    ("json://example.com?retry=3", "`url` may not use retry="),
    ("json://example.com?method=TELEPORT", "`url` is not complete; expected json://{host}"),
]


@pytest.mark.parametrize(("url", "sentence"), BAD)
def test_a_bad_url_gets_one_clear_sentence(url: str, sentence: str) -> None:
    assert sentence in problem(url)


@pytest.mark.parametrize("scheme", SERVICES)
@pytest.mark.parametrize("setting", ["format=markdown", "Format=text", "format="])
def test_how_a_service_reads_a_message_can_be_chosen_for_mail_and_hooks_only(
    scheme: str, setting: str
) -> None:
    url, to = GOOD[scheme]
    url += ("&" if "?" in url else "?") + setting
    if SERVICES[scheme].form in {Form.EMAIL, Form.JSON}:
        assert check_url(url, to, None) is SERVICES[scheme].form
    else:
        assert problem(url, to) == "`url` may not use format=: a message is written as its service reads it"


RECIPIENTS = [
    (SLACK, MAIL, "`to` cannot be used with slack://: its `url` already says where"),
    ("json://example.com", MAIL, "`to` cannot be used with json://"),
    ("mailto://user:pass@example.com/a@b.com", MAIL, "`url` names a recipient and `to` another one"),
    (f"{TWILIO}/{PHONE}", PHONE, "`url` names a recipient and `to` another one"),
    ("mailto://user:pass@example.com", "a@b.com, c@d.com", "`to` must be one e-mail address"),
    ("mailto://user:pass@example.com", "a@b.com\r\nBcc: c@d.com", "`to` must be one e-mail address"),
    ("mailto://user:pass@example.com", "Ann <a@b.com>", "`to` must be one e-mail address"),
    ("mailto://user:pass@example.com", "", "`to` must be one e-mail address"),
    (TWILIO, "206 555 0100", "`to` must be one phone number in international form"),
    (TWILIO, f"{PHONE},{PHONE}", "`to` must be one phone number in international form"),
    (TWILIO, "w:+12065550100", "`to` must be one phone number in international form"),
    (TWILIO, "+1 206 555 0100", "`to` must be one phone number in international form"),
    (TWILIO, "+1206555010", "a phone number of its country has 10 digits behind the country code"),
    (
        TWILIO,
        "+9991234567",
        "`to` is no number to write to: the phone number begins with a country code that no",
    ),
    (
        TWILIO,
        "+19005550100",
        "`to` is no number to write to: zennotify does not write to numbers that cost extra",
    ),
    (TWILIO, "+4407911123456", "as it is dialled from abroad, without the 0 behind the country code"),
    ("mailto://user:pass@example.com", "a..b@example.com", "`to` must be one e-mail address"),
    ("mailto://user:pass@example.com", "a@stra\u00dfe.example", "`to` must be one e-mail address"),
]


@pytest.mark.parametrize(("url", "to", "sentence"), RECIPIENTS)
def test_a_bad_recipient_gets_one_clear_sentence(url: str, to: str, sentence: str) -> None:
    assert sentence in problem(url, to)


#: What an event says, and the one address that becomes of it.
ADDRESSES = [
    ("ann@example.com", "ann@example.com"),
    ("Ann.O'Brien+spa@Mail.Example.COM", "Ann.O'Brien+spa@mail.example.com"),
    ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
    # One address for each that looks like it.
    ("a@ex\u0430mple.com", "a@xn--exmple-4nf.com"),
    ("a@m\u00fcnchen.example", "a@xn--mnchen-3ya.example"),
    ("a@M\u00dcNCHEN.example", "a@xn--mnchen-3ya.example"),
    ("a@mu\u0308nchen.example", "a@xn--mnchen-3ya.example"),
    ("a@\u4f8b\u3048.jp", "a@xn--r8jz45g.jp"),
    ("a@xn--exmple-4nf.com", "a@xn--exmple-4nf.com"),
]
NO_ADDRESSES = [
    "",
    "ann",
    "ann@",
    "@example.com",
    "ann@example",
    "root@localhost",
    "ann@127.0.0.1",
    "ann@[127.0.0.1]",
    "ann@[IPv6:::1]",
    "ann@example.com.",
    "ann@.example.com",
    "ann@example..com",
    "ann@-example.com",
    "ann@example-.com",
    "ann@exam_ple.com",
    "ann@" + "x" * 64 + ".com",
    "a" * 65 + "@example.com",
    "ann@" + "x" * 60 + ".example" * 25 + ".com",
    ".ann@example.com",
    "ann.@example.com",
    "an..n@example.com",
    '"an n"@example.com',
    "ann bob@example.com",
    "ann@example.com, bob@example.com",
    "ann@example.com;bob@example.com",
    "ann@example.com bob@example.com",
    "Ann <ann@example.com>",
    "mailto:ann@example.com",
    "ann@example.com?cc=bob@example.com",
    "ann@example.com/bob",
    "a@x.test\r\nRCPT TO:<b@evil.test>",
    "a@x.test\nBcc: b@evil.test",
    "a@x.test\n",
    "a@x.test\x00",
    "\u00e4nn@example.com",
    "ann\u202e@example.com",
    "ann@moc.\u202eelpmaxe",
    "ann\uff20example.com",
    # Not all mail servers read these alike, or they only look like another.
    "ann@stra\u00dfe.example",
    "ann@\uff45xample.com",
    "ann@example\u3002com",
    "ann@exa\u200dmple.com",
    "ann@exa\u00admple.com",
    "ann@\u2488com.example",
    "ann@" + "\u00e4" * 70 + ".example",
]


@pytest.mark.parametrize(("said", "address"), ADDRESSES)
def test_an_address_from_an_event_is_one_address_in_ascii(said: str, address: str) -> None:
    url = "mailto://user:pass@example.com"
    assert guest_address(said, url, Form.EMAIL, None) == address
    assert guest_address(address, url, Form.EMAIL, None) == address
    assert vars(make_plugin(url, address))["targets"] == [(False, address)]


@pytest.mark.parametrize("said", NO_ADDRESSES)
def test_what_is_not_one_address_is_refused_without_repeating_it(said: str) -> None:
    with pytest.raises(ChannelProblem) as caught:
        guest_address(said, "mailto://user:pass@example.com", Form.EMAIL, None)
    assert str(caught.value) == "one e-mail address is expected, without a name or a second one"


def test_an_address_of_the_configuration_may_be_on_the_machine_itself() -> None:
    plugin = make_plugin("mailto://127.0.0.1?from=a@example.com", "root@localhost")
    assert vars(plugin)["targets"] == [(False, "root@localhost")]


@pytest.mark.parametrize(
    ("said", "country", "number"),
    [
        ("(206) 555-0100", "US", PHONE),
        ("+1 2065550100", None, PHONE),
        ("020 7946 0100", "GB", "+442079460100"),
    ],
)
@pytest.mark.parametrize("url", ["console://sms", TWILIO])
def test_a_number_from_an_event_is_dialled_in_its_centres_country(
    url: str, said: str, country: str | None, number: str
) -> None:
    assert guest_address(said, url, Form.SMS, country) == number


@pytest.mark.parametrize("said", ["555-0100;ext=1", "206 555 0100", "\u202e0010555602+"])
def test_what_is_no_number_is_refused_without_repeating_it(said: str) -> None:
    with pytest.raises(ChannelProblem) as caught:
        guest_address(said, TWILIO, Form.SMS, None)
    assert "0100" not in str(caught.value)


MEDIA = [
    (TWILIO, "{{ guest.phone }}", None, Form.SMS),
    (TWILIO, "{{ data.x }}", Form.CHAT, Form.SMS),
    ("mailto://user:pass@example.com", "{{ guest.phone }}", Form.SMS, Form.EMAIL),
    ("console://x", "{{ guest.phone }}", None, Form.SMS),
    ("console://x", "{{ data.mobile }}", Form.SMS, Form.SMS),
    ("console://x", "{{ guest.email }}", None, Form.EMAIL),
    ("", "{{ guest.phone }}", None, Form.SMS),
    ("", "{{ guest.email }}", None, Form.EMAIL),
]


@pytest.mark.parametrize(("url", "to", "form", "medium"), MEDIA)
def test_a_channel_for_guests_reaches_them_by_mail_or_phone(
    url: str, to: str, form: Form | None, medium: Form
) -> None:
    assert medium_of(url, to, form) is medium


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.43518",
        "0xa9fea9fe",
        "2852039166",
        "0251.0376.0251.0376",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "100.100.100.200",
    ],
)
def test_metadata_and_link_local_addresses_are_refused(host: str) -> None:
    assert problem(f"json://{host}/latest")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.0.0.8", "192.168.1.5", "[::1]", "[fd12::1]", "intra.example"]
)
def test_one_s_own_network_is_allowed(host: str) -> None:
    assert check_url(f"json://{host}/hook", None, None) is Form.JSON


def test_a_token_that_looks_like_an_address_is_only_a_token() -> None:
    assert check_url("tgram://2852039166:abcdefg_hijklmnop/12315544/", None, None) is Form.CHAT


def test_no_sentence_shows_the_url() -> None:
    secret = "hunter2-s3cr3t"
    sentences = []
    for url in [url for url, _ in BAD if "://" in url] + [url for url, _ in GOOD.values()]:
        scheme, _, rest = url.partition("://")
        for broken in (
            f"{scheme}://{secret}",
            f"{scheme}://{secret}/{rest}",
            f"{url}/{secret}?attach={secret}",
        ):
            with suppress(ChannelProblem):
                check_url(broken, "nobody", None)
                continue
            sentences.append(problem(broken, "nobody"))
    assert len(sentences) > 100
    assert not [sentence for sentence in sentences if secret in sentence]
