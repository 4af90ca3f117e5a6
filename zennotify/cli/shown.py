"""What one event or one delivery looks like, with all that is known of it; used by records.py."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from zennotify.channel.text import from_html
from zennotify.cli.fate import Circumstances, circumstances, local
from zennotify.cli.inforce import InForce
from zennotify.cli.project import Project, printable
from zennotify.cli.rows import delivery_json, delivery_line, event_json, event_line, iso, window_json
from zennotify.core.escalation import TAKEN
from zennotify.core.window import Stage
from zennotify.outlook import SHORT_ID, Outlook
from zennotify.store import Reader
from zennotify.store.views import DecisionView, DeliveryView, EventView, GatheredView, WindowView

#: So many of the events that a message tells of are listed.
_MOST_LISTED: Final = 20


class Exhibit:
    """Shows what the store has."""

    def __init__(self, project: Project, reader: Reader) -> None:
        self.reader = reader
        self._config = project.config
        self._in_force = InForce(project, reader)
        self._around: Circumstances = circumstances(project.config, reader)
        self._outlook = Outlook(self._around.wall, self._in_force.rule_of)

    # --- events -------------------------------------------------------------------------------------------

    def event_json(self, event: EventView) -> dict[str, Any]:
        """Return an event; each decision has its window, the next one that is due of several."""
        windows = self.reader.timers_of(event.id)
        shown = event_json(event)
        for decision in shown["decisions"]:
            mine = next((window for window in windows if window.key.rule == decision["rule"]), None)
            decision["window"] = None if mine is None else self._window_json(mine)
        return {
            **shown,
            "windows": [self._window_json(window) for window in windows],
            "body": json.loads(event.body),
        }

    def _window_json(self, window: WindowView) -> dict[str, Any]:
        held = [one.id for one in self._held(window)]
        return {**window_json(window), "events": held or ([window.event] if window.event else [])}

    def event_lines(self, event: EventView) -> Iterator[str]:
        """Yield what is shown of an event."""
        windows = self.reader.timers_of(event.id)
        yield event_line(self._config)(event)
        for decision in event.decisions:
            mine = [window for window in windows if window.key.rule == decision.rule]
            yield from self._decision_lines(event, decision, mine)
        made = {decision.rule for decision in event.decisions}
        others = [window for window in windows if window.key.rule not in made]
        for window in others:
            yield f"  {window.key.rule}: {self._outlook.coming(window, self._held(window))}"
        if not made and not others:
            why = f"zennotify preview RULE {event.id[:SHORT_ID]}"
            yield (
                f"  no rule matched; why one did not: {why}"
                if event.state == "decided"
                else "  not decided yet"
            )
        yield json.dumps(json.loads(event.body), indent=2)

    def _decision_lines(
        self, event: EventView, decision: DecisionView, windows: Sequence[WindowView]
    ) -> Iterator[str]:
        detail = self._outlook.detail(decision)
        because = f" ({detail})" if detail else ""
        yield f"  {decision.rule or '(all rules)'}: {decision.reason}{because}"
        for number in dict.fromkeys(one.gathered for one in decision.deliveries if one.gathered is not None):
            mine = [one for one in decision.deliveries if one.gathered == number and not one.step]
            if mine:
                yield f"    {self._outlook.told(mine, self.reader.gathered(number))}"
        for delivery in decision.deliveries:
            yield "    " + delivery_line(self._around)(delivery)
            yield from self._attempt_lines(delivery, "      ")
        for window in windows:
            yield f"    {self._outlook.coming(window, self._held(window))}"
        if decision.deliveries:
            for one in self.reader.acknowledgements_of(event.id):
                if one.rule == decision.rule:
                    yield f"    {self._outlook.taken(one)}"

    def _held(self, window: WindowView) -> list[GatheredView]:
        number = window.window.number
        return [] if number is None else self.reader.gathered(number)

    # --- deliveries ---------------------------------------------------------------------------------------

    def delivery_json(self, delivery: DeliveryView) -> dict[str, Any]:
        """Return a delivery, with the events that it tells of."""
        told_by = self._told_by(delivery)
        taken = self.reader.acknowledgement(delivery.id)
        return {
            **delivery_json(self._around)(delivery),
            "events": [one.id for one in self._gathered(delivery)],
            "acknowledged": None if taken is None else {"by": taken.by, "at": iso(taken.at)},
            "falls_back_at": iso(self._around.falls_back_at(delivery)),
            "told_by": None if told_by is None else told_by.id,
            "title": delivery.title,
            "message": delivery.message,
        }

    def delivery_lines(self, delivery: DeliveryView) -> Iterator[str]:
        """Yield what is shown of a delivery."""
        yield delivery_line(self._around)(delivery)
        yield from self._subject_lines(delivery)
        yield from self._time_lines(delivery)
        yield from self._fate_lines(delivery)
        yield from self._attempt_lines(delivery, "  ")
        if delivery.message is not None:
            is_page = delivery.message.startswith("<!DOCTYPE html>")
            words = from_html(delivery.message) if is_page else delivery.message
            yield "\n" + "\n\n".join(filter(None, (delivery.title, words)))

    def _subject_lines(self, delivery: DeliveryView) -> Iterator[str]:
        """Say what a delivery tells of."""
        yield f"  event {delivery.event}" if delivery.event else f"  window {delivery.window}"
        if delivery.gathered is None:
            return
        events = self._gathered(delivery)
        yield f"  {_events(len(events))}:"
        for one in events[:_MOST_LISTED]:
            center = self._in_force.centers.get(one.center) or one.center or ""
            told = f"    {one.id[:SHORT_ID]}  {local(self._config, one.at)}  {printable(one.type):28}"
            more = filter(None, (printable(str(center)), "late" if one.is_late else ""))
            yield "  ".join((told, *more)).rstrip()
        if len(events) > _MOST_LISTED:
            yield f"    and {len(events) - _MOST_LISTED} more"
        if delivery.counted > len(events):
            yield f"    and {delivery.counted - len(events)} that are not kept any more"

    def _time_lines(self, delivery: DeliveryView) -> Iterator[str]:
        """Say what the stages of its rule made of a delivery."""
        wall = self._around.wall
        if delivery.step == TAKEN:
            yield "  tells those who were told who took it"
        elif delivery.step:
            yield f"  step {delivery.step} of an escalation"
        if delivery.meant is not None:
            yield f"  meant for {wall.moment(delivery.meant)}"
        if delivery.gathered is None and delivery.counted:
            yield f"  {_events(delivery.counted)} counted towards the threshold"
        if delivery.held_back:
            yield f"  {delivery.held_back} held back before it"
        taken = self.reader.acknowledgement(delivery.id)
        if taken is not None:
            yield f"  {self._outlook.taken(taken)}"
        for window in self._timers(delivery):
            if window.key.stage == Stage.ESCALATE and window.key.rule == delivery.rule:
                yield f"  {self._outlook.coming(window)}"

    def _fate_lines(self, delivery: DeliveryView) -> Iterator[str]:
        """Say where a delivery stands with its channel, and who tells it instead."""
        if delivery.instead_of is not None:
            yield f"  instead of delivery {delivery.instead_of[:SHORT_ID]}"
        told_by = self._told_by(delivery)
        if told_by is not None:
            yield f"  told instead by delivery {told_by.id[:SHORT_ID]} to {told_by.channel}: {told_by.state}"
        pause = self._around.pauses.get(delivery.channel)
        if pause is not None and delivery.state == "pending":
            yield f"  {delivery.channel} is paused since {local(self._config, pause.since)}: {pause.detail}"
        if falls_back := self._around.falls_back(delivery):
            yield f"  {falls_back}"

    def _told_by(self, delivery: DeliveryView) -> DeliveryView | None:
        if delivery.gathered is not None:
            owed = self.reader.deliveries_about(delivery.gathered)
        else:
            found = self.reader.event(delivery.event) if delivery.event is not None else []
            owed = [
                one
                for event in found
                for decision in event.decisions
                for one in decision.deliveries
                if one.event == delivery.event
            ]
        return self._around.told_by(delivery, owed)

    def _gathered(self, delivery: DeliveryView) -> list[GatheredView]:
        return [] if delivery.gathered is None else self.reader.gathered(delivery.gathered)

    def _timers(self, delivery: DeliveryView) -> list[WindowView]:
        if delivery.gathered is not None:
            return self.reader.timers_about(delivery.gathered)
        return [] if delivery.event is None else self.reader.timers_of(delivery.event)

    def _attempt_lines(self, delivery: DeliveryView, margin: str) -> Iterator[str]:
        for number, attempt in enumerate(delivery.attempts, 1):
            outcome = attempt.outcome or "under way"
            started = local(self._config, attempt.started)
            yield f"{margin}try {number} {started} {outcome} {attempt.detail}".rstrip()


def _events(count: int) -> str:
    return f"{count} event{'' if count == 1 else 's'}"
