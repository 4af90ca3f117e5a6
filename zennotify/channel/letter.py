"""The bytes of a mail: headers, the text, and the page.  Pure; called by mail.py.

Headers and encodings are the standard library's; its EmailMessage, which would put them together, takes 1.2 ms for a
mail, twice as long as all else that a send does.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from email.header import Header
from email.utils import formataddr
from hashlib import sha256
from typing import Final

#: So long a header may be without being folded.
_LONGEST_LINE: Final = 900
#: Mail programs that keep mails in one file put a `>` before it.
_FROM = re.compile(rb"^From ", re.MULTILINE)


def letter(headers: Mapping[str, str | tuple[str, str]], text: str, html: str) -> str:
    """Return a mail of a text and the same as HTML, or without; a header is a text, or a name and an address."""
    lines = [f"{name}: {_header(name, value)}" for name, value in headers.items()]
    lines.append("MIME-Version: 1.0")
    if html:
        # The same mail has the same bytes, so that a repeat looks like one.
        boundary = f"=_{sha256(html.encode(errors='replace')).hexdigest()[:24]}"
        lines += [f'Content-Type: multipart/alternative; boundary="{boundary}"', ""]
        for kind, part in (("plain", text), ("html", html)):
            lines += [f"--{boundary}", *_part(kind, part)]
        lines += [f"--{boundary}--", ""]
    else:
        lines += [*_part("plain", text), ""]
    return "\n".join(lines)


def _part(kind: str, text: str) -> list[str]:
    quoted = binascii.b2a_qp(text.strip("\n").encode(errors="replace"), istext=True)
    encoding = "Content-Transfer-Encoding: quoted-printable"
    return [
        f"Content-Type: text/{kind}; charset=utf-8",
        encoding,
        "",
        _FROM.sub(b"=46rom ", quoted).decode("ascii"),
    ]


def _header(name: str, value: str | tuple[str, str]) -> str:
    if isinstance(value, tuple):
        return " ".join(formataddr(value, "utf-8").split())
    value = " ".join(value.split())  # a line break would begin another header
    # What looks like the code of a header is none.
    is_plain = value.isascii() and value.isprintable() and "=?" not in value
    if is_plain and len(value) <= _LONGEST_LINE:
        return value
    return Header(value, None if is_plain else "utf-8", header_name=name, maxlinelen=76).encode()
