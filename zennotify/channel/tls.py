"""Whom do we trust?  The TLS contexts of http1.py and smtp.py; loading the certificates of one takes 15 ms."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path


@cache
def context(authorities: str | None, *, verify: bool) -> ssl.SSLContext:
    """Return a context that trusts the authorities of this file or folder, or (None) those of the system.

    One that does not verify is an object of its own, so that it cannot weaken another one; nobody changes one.
    """
    if authorities is None:
        made = ssl.create_default_context()
    elif Path(authorities).is_dir():
        made = ssl.create_default_context(capath=authorities)
    else:
        made = ssl.create_default_context(cafile=authorities)
    made.hostname_checks_common_name = False
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made
