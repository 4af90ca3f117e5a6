"""What a benchmark found: one value per round, and the goal for their median."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the result."""

    name: str
    #: One value per round; the median counts.
    rounds: tuple[float, ...]
    unit: str = "x"
    at_least: float | None = None
    at_most: float | None = None
    #: The absolute values behind it; they drift by a factor of two from day to day.
    detail: str = ""

    @property
    def value(self) -> float:
        return median(self.rounds)

    @property
    def is_missed(self) -> bool:
        if self.at_least is not None and self.value < self.at_least:
            return True
        return self.at_most is not None and self.value > self.at_most

    @property
    def goal(self) -> str:
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return f"<= {self.at_most:g}" if self.at_most is not None else ""

    @property
    def verdict(self) -> str:
        return "" if not self.goal else "MISSED" if self.is_missed else "ok"

    def line(self) -> str:
        low, high = min(self.rounds), max(self.rounds)
        value = f"{self.value:.2f} {self.unit}"
        spread = f"({low:.2f} to {high:.2f})" if len(self.rounds) > 1 else ""
        return f"{self.name:<46} {value:>9}  {spread:<18} {self.goal:<8} {self.verdict}"

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "value": round(self.value, 4),
            "unit": self.unit,
            "min": round(min(self.rounds), 4),
            "max": round(max(self.rounds), 4),
            "goal": self.goal,
            "missed": self.is_missed,
            "detail": self.detail,
        }


def ratio(name: str, ours: Sequence[float], floor: Sequence[float], **goal: Any) -> Figure:
    """Compare two things that were measured in turns, round by round."""
    rounds = tuple(mine / other for mine, other in zip(ours, floor, strict=True))
    return Figure(name=name, rounds=rounds, **goal)


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value that this part (0.99) of all values do not pass."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]
