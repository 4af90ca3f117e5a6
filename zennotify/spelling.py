"""The nearest right name, for every message that says a name is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean `x`?" for the nearest of the known names, or nothing."""
    near = nearest(name, known)
    return "" if near is None else f"; did you mean `{near}`?"


def nearest(name: str, known: Iterable[str], alike: float = 0.6) -> str | None:
    """Return the known name that is most like this one (1: the same without case), or None."""
    by_fold = {candidate.casefold(): candidate for candidate in known}
    near = difflib.get_close_matches(name.casefold()[:100], by_fold, n=1, cutoff=alike)
    return by_fold[near[0]] if near else None
