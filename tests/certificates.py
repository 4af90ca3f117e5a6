"""Certificates that the tests make themselves, by openssl."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


def self_signed(folder: Path, *, name: str = "IP:127.0.0.1", days: int = 2) -> tuple[ssl.SSLContext, Path]:
    """Return a server's TLS context for a name and the certificate that a client has to trust.

    With -1 days it expired yesterday.
    """
    key, certificate, wish, more = (
        folder / file for file in ("key.pem", "certificate.pem", "wish.pem", "more")
    )
    more.write_text(f"subjectAltName={name}\n")
    _openssl(
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=sink",
        "-keyout", str(key), "-out", str(wish),
    )  # fmt: skip
    _openssl(
        f"x509 -req -days {days}",
        "-in", str(wish), "-signkey", str(key), "-extfile", str(more), "-out", str(certificate),
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


def _openssl(order: str, *files: str) -> None:
    subprocess.run(["openssl", *order.split(), *files], check=True, capture_output=True)
