"""How far a command has come that looks through the whole store: one line on standard error, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def shown_progress(doing: str) -> Iterator[Callable[[str, int], None]]:
    """Give a function that is told how many rows of what are done; the line is gone at the end."""
    is_shown = sys.stderr.isatty()

    def progress(what: str, count: int) -> None:
        if is_shown:
            click.echo(f"\r\x1b[K{doing} {what}: {count:,}", nl=False, err=True)

    try:
        yield progress
    finally:
        if is_shown:
            click.echo("\r\x1b[K", nl=False, err=True)
