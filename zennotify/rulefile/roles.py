"""Does a rule tell somebody, and at which of the listed centres?  Asked by onerule.py and timed.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zennotify.core.center import Center, Centers
from zennotify.core.match import Clause, keys_of
from zennotify.rulefile.remarks import Place, Remarks
from zennotify.rulefile.shared import Shared
from zennotify.spelling import did_you_mean

_FIELDS = ("id", "name", "time_zone", "country", "currency")


def check_told(
    remarks: Remarks,
    shared: Shared,
    place: Place,
    names: Sequence[str],
    match: Sequence[Clause],
    words: Sequence[str] = (),
) -> None:
    """Say which names at a place lead nowhere: everywhere, or (a warning) at a centre that the rule may meet.

    `words` are what else may stand there.
    """
    known = shared.told
    if known is None:
        return
    for name in names:
        where = remarks.part(*place, name)
        if name in known:
            silent = silent_at(name, match, shared.centers)
            if silent:
                more = f" and {len(silent) - 1} more" if len(silent) > 1 else ""
                sentence = f"`{name}` means no channel at {silent[0]}{more}, nor in its region"
                remarks.add(where, sentence, warning=True)
        elif "://" in name:
            sentence = f"`{place[-1]}` takes names from `channels` in the configuration, not URLs"
            remarks.add(where, sentence)
        else:
            hint = did_you_mean(name, (*words, *known))
            remarks.add(where, f"there is no {shared.kind_told} `{name[:60]}`{hint}")


def silent_at(role: str, match: Sequence[Clause], centers: Centers) -> list[Center]:
    """Return the listed centres that a rule with these clauses may meet, and where a name in `notify` leads nowhere."""
    return [center for center in centers.without(role) if may_meet(match, center)]


def may_meet(match: Sequence[Clause], center: Center) -> bool:
    """Return whether the clauses about a centre hold; what the file does not say, Zenoti may, except for regions."""
    said = {field: value for field in _FIELDS if (value := getattr(center, field)) is not None}
    said["region"] = center.region
    asked = [clause for clause in match if clause.path.root == "center" and clause.path.steps[1] in said]
    return all(clause.holds({"center": said}) for clause in asked)


def unknown_regions(match: Sequence[Clause], centers: Centers) -> Iterator[tuple[str, str]]:
    """Yield each clause (as written) that asks for a region that no centre is in, and a sentence about it.

    Only centers.yaml gives regions, so that such a clause never holds.
    """
    regions = sorted({center.region for center in centers if center.region})
    known = {key for region in regions for key in keys_of(region)}
    for clause in match:
        if clause.path.steps[:2] == ("center", "region") and clause.equals and not clause.equals & known:
            [(_, wanted), *_] = sorted(clause.equals, key=str)
            hint = did_you_mean(str(wanted), regions)
            yield clause.path.text, f"no centre in centers.yaml is in region `{str(wanted)[:60]}`{hint}"
