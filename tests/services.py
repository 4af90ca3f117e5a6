"""A URL of each kind of service, and the words with which they say yes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qs

from tests.sinks import Answer, Received

SLACK: Final = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
PHONE: Final = "+12065550100"
CHATS: Final = {
    "slack": SLACK,
    "gchat": "gchat://workspace1/key12345/token12345",
    "discord": "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    "tgram": "tgram://123456789:abcdefg_hijklmnop/12315544/",
    "workflows": f"workflows://teams.example.com:443/{'6' * 32}/a-signature_1",
    "mmosts": "mmosts://chat.example.com/3ccdd113474722377935511fc85d3dd4",
    "rockets": "rockets://web/token@chat.example.com/%23general?mode=webhook",
    "webex": f"wxteams://{'a' * 80}",
    "zulip": f"zulip://bot@org/{'a' * 32}/general",
    "matrixs": "matrixs://token1@chat.example.com/!room1:example.com?discovery=no",
    "pover": f"pover://{'u' * 30}@{'t' * 30}",
    "ntfy": "ntfy://localhost/topic",
    "gotifys": "gotifys://chat.example.com/abcdefghijklmn",
    "pagerduty": f"pagerduty://{'a' * 32}@{'b' * 32}/source/component",
    "opsgenie": f"opsgenie://{'a' * 36}",
    "signl4": "signl4://secret1234",
}
PHONES: Final = {
    "twilio": f"twilio://AC{'a' * 32}:{'b' * 32}@+12065550111",
    "vonage": "vonage://AC123456:secretsecret@12065550111",
    "clicksend": "clicksend://user:key@",
    "bulksms": "bulksms://user:pass@",
    "msgbird": f"msgbird://{'a' * 25}/12065550111",
}
MAILS: Final = {"mailto": "mailto://desk:secret@example.com"}
HOOKS: Final = {"json": "json://localhost/hook", "form": "form://localhost/hook"}

#: A yes in the words of every service.
YES: Final = Answer(
    200,
    b'{"ok": true, "success": true, "status": 1, "result": "success", "requestId": "r", "id": "1",'
    b' "room_id": "!room1:example.com", "event_id": "e", "message": {"rid": "1"},'
    b' "messages": [{"status": "0"}], "data": {"messages": [{"status": "SUCCESS"}]}}',
)
SLACK_YES: Final = Answer(200, b"ok")


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def received(got: Received) -> list[str]:
    """Return the texts of a request, whatever it is written in."""
    if got.body.startswith(b"{"):
        return list(_texts(json.loads(got.body)))
    return [
        value for values in parse_qs(got.body.decode(), keep_blank_values=True).values() for value in values
    ]
