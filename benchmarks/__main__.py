"""`python -m benchmarks [NAME...] [--rounds N] [--json]`: measure, print, and fail when a goal is missed."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import click

from benchmarks import accept, decide, deliver, enquiry, isolation, latency, learn, memory, windows
from benchmarks.figure import Figure
from benchmarks.process import CLIENT_CORE, HAS_TWO_CORES, pin

_Run = Callable[[int, Path], Iterator[Figure]]
BENCHMARKS: dict[str, tuple[_Run, int]] = {
    module.__name__.rpartition(".")[2]: (module.run, module.ROUNDS)
    for module in (accept, learn, windows, decide, deliver, latency, enquiry, memory, isolation)
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHMARKS)))
@click.option("--rounds", type=click.IntRange(1), help="Rounds of each benchmark; the median counts.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array instead of text.")
def main(names: tuple[str, ...], rounds: int | None, as_json: bool) -> None:
    """Measure zennotify next to what it is made of; exit code 1 when a goal is missed."""
    say = (lambda _: None) if as_json else (lambda text: print(text, flush=True))
    if not HAS_TWO_CORES:
        say("There is one core only: clients and servers disturb each other, and the ratios say little.")
    pin(0, CLIENT_CORE)
    found: list[Figure] = []
    began = monotonic()
    # Not /tmp, which is in memory on many systems: a sync there costs nothing.
    where = os.environ.get("TMPDIR", "/var/tmp")
    with tempfile.TemporaryDirectory(prefix="zennotify-bench-", dir=where) as folder:
        for name in names or BENCHMARKS:
            run, usual = BENCHMARKS[name]
            (Path(folder) / name).mkdir()
            for figure in run(rounds or usual, Path(folder) / name):
                found.append(figure)
                say(f"{figure.line()}\n    {figure.detail}")
    if as_json:
        print(json.dumps([figure.as_json() for figure in found], indent=2))
    else:
        say(_table(found, monotonic() - began))
    sys.exit(any(figure.is_missed for figure in found))


def _table(found: list[Figure], seconds: float) -> str:
    missed = sum(figure.is_missed for figure in found)
    where = f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, {seconds:.0f} s"
    verdict = f"{missed} of the goals missed" if missed else "every goal reached"
    return "\n".join(["", *(figure.line() for figure in found), f"\n{verdict} ({where})"])


if __name__ == "__main__":
    main()
