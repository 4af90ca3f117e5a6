"""A certificate for the TLS sinks, and the authorities of the real world beside it.

Loading these takes 15 ms, which is most of what `Apprise.notify()` does for a message over TLS: with a file that
holds nothing but the sink's certificate, the floor would be too good.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import certifi

_MAKE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
    "-subj /CN=sink -addext subjectAltName=IP:127.0.0.1"
)


@contextmanager
def trusted(folder: Path) -> Iterator[tuple[str, str]]:
    """Make a certificate for 127.0.0.1 that processes started meanwhile trust; return its file and its key's."""
    certificate, key, bundle = (str(folder / name) for name in ("certificate.pem", "key.pem", "bundle.pem"))
    subprocess.run([*_MAKE.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    Path(bundle).write_bytes(Path(certifi.where()).read_bytes() + Path(certificate).read_bytes())
    before = dict(os.environ)
    os.environ |= {"REQUESTS_CA_BUNDLE": bundle, "SSL_CERT_FILE": bundle}
    try:
        yield certificate, key
    finally:
        for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
            if name in before:
                os.environ[name] = before[name]
            else:
                del os.environ[name]
