"""What a delivery and an answer are made of, bare: Apprise in a loop, an fdatasync; a process of its own."""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic, sleep

from apprise import Apprise

from benchmarks.process import obey


def notify(url: str, title: str, body: str, count: int, gap: float = 0) -> list[float]:
    """Send the same message again and again, as Apprise's documentation says; return the seconds of each."""
    apprise = Apprise()
    apprise.add(url)
    for service in apprise:
        service.request_rate_per_sec = 0  # or it would sleep 5.5 s after each mail
    took: list[float] = []
    for _ in range(count):
        sleep(gap)
        began = monotonic()
        if not apprise.notify(title=title, body=body):
            raise RuntimeError("the sink did not take a message")
        took.append(round(monotonic() - began, 6))
    return took


def sync(folder: str, size: int, count: int, gap: float) -> list[float]:
    """Append and sync, again and again; return the seconds of each."""
    took: list[float] = []
    with (Path(folder) / "appended").open("ab", buffering=0) as file:
        for _ in range(count):
            sleep(gap)
            began = monotonic()
            file.write(bytes(size))
            os.fdatasync(file.fileno())
            took.append(round(monotonic() - began, 6))
    return took


if __name__ == "__main__":
    obey("ready", {"notify": notify, "sync": sync})
