"""What is asked of Zenoti's API, and how did it end?  Values, and what they mean for each other.

Pure: api.py makes the calls that they describe; what a good answer says is read by answers.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple, NoReturn
from urllib.parse import quote, urlencode

from zennotify.core.model import Zone
from zennotify.zenoti import answers
from zennotify.zenoti.facts import Key, key_of
from zennotify.zenoti.things import Said

#: The kinds of things that can be asked for, and how a sentence calls one and several.
KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "guest": ("guest", "guests"),
    "center": ("centre", "centres"),
    "invoice": ("invoice", "invoices"),
    "session": ("class", "classes"),
    "employee": ("employee", "employees"),
}


class Wanted(NamedTuple):
    """A thing that somebody wants to know of."""

    kind: str
    id: str | int
    #: The centre of a class; the API gives a class only with it.
    center_id: str | None = None


class Verdict(StrEnum):
    """How a look-up ended."""

    OK = "ok"
    NOT_FOUND = "not_found"
    #: The key is wrong, or has no right to this kind of thing.
    REFUSED = "refused"
    #: No call was left.
    LIMITED = "limited"
    FAILED = "failed"


class Answer(NamedTuple):
    """What came of a look-up."""

    verdict: Verdict
    #: Why there is no (whole) answer; one sentence that may be shown and logged.
    reason: str = ""
    #: The fields of each thing that the answer told of, those that point to others included.
    things: Mapping[Key, Said] = {}
    #: There are further pages.
    more: bool = False
    #: The same call may have another answer soon.
    passing: bool = False


def failed(reason: str, *, passing: bool = False) -> Answer:
    """Return an answer that says nothing."""
    return Answer(Verdict.FAILED, reason, passing=passing)


def target(wanted: Wanted, page: int = 1) -> str:
    """Return path and query of the call for a thing."""
    id_ = quote(str(wanted.id).strip(), safe="")
    match wanted.kind:
        case "center":
            return "/v1/centers?" + urlencode({"page": page, "size": answers.PAGE_SIZE})
        case "invoice":
            return f"/v1/invoices/{id_}?expand=InvoiceItems"
        case "session":
            return "/v1/classes/sessions?" + urlencode(
                {"center_id": wanted.center_id, "session_id": wanted.id}
            )
        case "guest":
            return f"/v1/guests/{id_}"
        case _:
            return f"/v1/employees/{id_}"


def judge(wanted: Wanted, page: int, status: int, body: bytes, class_times: Zone) -> Answer:
    """Return what an answer of this status says; `class_times` is how the facts keep a class's times."""
    if 200 <= status < 300:
        return _read(wanted, page, body, class_times)
    if 300 <= status < 400:
        return failed("Zenoti's API redirects elsewhere, which is never followed: check zenoti_api.base_url")
    if status in {401, 403}:
        reason = f"Zenoti's API refused the key, or the key has no right to read {KINDS[wanted.kind][1]}"
        return Answer(Verdict.REFUSED, reason)
    if status == 404:
        return not_known(wanted)
    if status == 429:
        return Answer(Verdict.LIMITED, "Zenoti's API allows no more calls at the moment", passing=True)
    return failed(f"Zenoti's API answered with HTTP {status}", passing=status >= 500)


def not_known(wanted: Wanted) -> Answer:
    """Return the answer for a thing that the API does not know."""
    return Answer(Verdict.NOT_FOUND, f"Zenoti's API does not know this {_word(wanted)}")


def about(wanted: Wanted, answer: Answer) -> Answer:
    """Return what an answer means for one thing: a list of centres may lack it, or have it when a page is missing."""
    said = answer.things.get(key_of(wanted.kind, wanted.id) or "", {})
    if "name" in said or (wanted.kind == "invoice" and said):
        return answer._replace(verdict=Verdict.OK, reason="")
    if answer.verdict is not Verdict.OK:
        return answer
    if said:
        return Answer(Verdict.NOT_FOUND, f"Zenoti's API has no name for this {_word(wanted)}", answer.things)
    return not_known(wanted)._replace(things=answer.things)


def _word(wanted: Wanted) -> str:
    return KINDS[wanted.kind][0]


def _read(wanted: Wanted, page: int, body: bytes, class_times: Zone) -> Answer:
    try:
        document = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):  # bad UTF-8, bad JSON, thousands of digits, thousands of brackets
        return failed("Zenoti's API answered with something that is not JSON (a proxy or a login page?)")
    things = answers.read(wanted.kind, wanted.id, document, class_times)
    if things is None:
        return failed("Zenoti's API answered in a form that is not known")
    more = wanted.kind == "center" and answers.has_more(document, page)
    return Answer(Verdict.OK, things=things, more=more)


def _refuse(_word: str) -> NoReturn:
    raise ValueError  # NaN and Infinity are not JSON
