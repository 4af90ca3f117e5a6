"""The metrics of the daemon (design: names and labels are part of the contract).

Label values come from the configuration and from Zenoti's catalog only, so that their number is bounded.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)


class Metrics:
    """Every metric, on a registry of its own (so that two daemons in one test do not share numbers)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.events = Counter("zennotify_events", "Events accepted, by event type", ["type"], registry=r)
        self.decisions = Counter(
            "zennotify_decisions", "Decisions, by rule and reason", ["rule", "reason"], registry=r
        )
        self.deliveries = Counter(
            "zennotify_deliveries", "Attempts, by channel and outcome", ["channel", "outcome"], registry=r
        )
        self.accept_seconds = Histogram(
            "zennotify_accept_seconds",
            "From the request's first byte to its commit",
            buckets=_SECONDS,
            registry=r,
        )
        self.post_to_sent_seconds = Histogram(
            "zennotify_post_to_sent_seconds",
            "From an event's arrival to its message's acceptance",
            ["channel"],
            buckets=_SECONDS,
            registry=r,
        )
        self.outbox_pending = Gauge(
            "zennotify_outbox_pending", "Deliveries that wait, by channel", ["channel"], registry=r
        )
        self.channel_paused = Gauge(
            "zennotify_channel_paused", "1 while a channel may not send", ["channel"], registry=r
        )
        self.outbox_oldest_seconds = Gauge(
            "zennotify_outbox_oldest_seconds", "How long the oldest due delivery has waited", registry=r
        )
        self.quarantined = Counter("zennotify_quarantined", "Bodies kept in quarantine", registry=r)
        self.non_success_run = Gauge(
            "zennotify_non_success_run",
            "Error answers in a row to authentic requests; Zenoti switches a webhook off at 20",
            registry=r,
        )
        self.bad_signatures = Counter(
            "zennotify_bad_signatures",
            "Requests whose signature was wrong (verify: record counts only)",
            registry=r,
        )
        self.template_errors = Counter(
            "zennotify_template_errors",
            "Messages sent plain because their template failed",
            ["rule"],
            registry=r,
        )
        self.api_calls = Counter(
            "zennotify_api_calls",
            "Calls of Zenoti's API by how they ended: ok, not_found, refused, limited, failed",
            ["outcome"],
            registry=r,
        )
        self.reload_success = Gauge(
            "zennotify_reload_success", "1 if the last load of the rules was good", registry=r
        )
        self.rules = Gauge("zennotify_rules", "Rules that are in force", registry=r)
        self.last_event = Gauge(
            "zennotify_last_event_timestamp_seconds",
            "When the last event was accepted (unix time)",
            registry=r,
        )
        self.loop_lag = Gauge(
            "zennotify_loop_lag_seconds", "How late the event loop's last heartbeat was", registry=r
        )

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
