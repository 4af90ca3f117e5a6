"""The composition root: the only place that constructs, and where start, reload and stop are written once.

    start   lock and migrate the store -> rules -> return what a dead process was sending -> listen -> READY
    stop    stop accepting -> finish the requests -> finish the sends -> close the store

Every task is supervised: one that dies takes the process down loudly, and systemd starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from zennotify import __version__, byhand, systemd
from zennotify.acknowledgement import Acknowledger, Acknowledging
from zennotify.channel import (
    close_all,
)
from zennotify.clock import Clock
from zennotify.config import Address, Config
from zennotify.configured import open_ways, reading, surroundings
from zennotify.core.model import Label, Message, Result, Zone
from zennotify.core.rule import RuleSet
from zennotify.decider import Decider
from zennotify.enquiry import Enquiry
from zennotify.erasure import Part, erase
from zennotify.errors import (
    ConfigError,
    ControlError,
    StoreError,
    StoreUnavailable,
    ZennotifyError,
)
from zennotify.intake import Intake
from zennotify.metrics import Metrics
from zennotify.ops import Ops
from zennotify.outbox import Outbox, Way
from zennotify.receiver import Receiver
from zennotify.rulebook import Rulebook
from zennotify.silences import Silences
from zennotify.store import Store
from zennotify.store.transaction import Transaction
from zennotify.timers import Timers
from zennotify.web.admin import Admin
from zennotify.web.control_server import ControlServer
from zennotify.zenoti.api import ZenotiApi

logger = logging.getLogger("zennotify.app")

#: How long sends may take to finish when the daemon stops.
STOP_DEADLINE = timedelta(seconds=20)
#: How long the first deciding of what an earlier process left may still take then; seconds.
_RECOVERY_DEADLINE = 5.0
#: How often old rows are looked for.
_PURGE_EVERY = timedelta(hours=1)
_PURGE_BATCH = 500
_HEARTBEAT = timedelta(seconds=1)
#: The writer must answer within this (seconds), or the watchdog is not fed.
_WRITER_PATIENCE = 10.0


def build(config: Config, clock: Clock, echo: Callable[[str], None]) -> App:
    """Open the store and make every part; `echo` prints the messages of console channels.

    Raises StoreError when the store cannot be used, ChannelProblem when a channel cannot.
    """
    ways = open_ways(config, echo)
    return App(config, clock, Store.open(config.store.url), ways)


class App:
    """The daemon."""

    def __init__(self, config: Config, clock: Clock, store: Store, ways: list[Way]) -> None:
        self._config = config
        self._clock = clock
        self._started = clock.now()
        self._store = store
        self._ways = {way.name: way for way in ways}
        self.metrics = Metrics()
        forms = {way.name: way.channel.form for way in ways}
        shapes = {way.name: (way.channel.form, way.channel.room) for way in ways}

        def wake(names: set[str]) -> None:
            self.outbox.wake(names)  # made below: it needs the rulebook, which needs ops

        def reaching(name: str, but_not_by: str) -> str | None:
            return self.outbox.reaching(name, but_not_by)

        self._acknowledger = Acknowledger(
            Acknowledging(
                store.reader,
                shapes,
                lambda: self.rulebook.rules,
                lambda rules_hash: self.rulebook.past_rules(rules_hash),  # noqa: PLW0108 - it is made below
                time_zone=config.time_zone,
                locale=config.locale,
            ),
            store.writer,
            clock,
            config.server.public_url,
            wake,
        )
        ops = Ops(store.writer, clock, config.ops, shapes, wake, reaching)
        self._enquiry = self._make_enquiry()
        self.rulebook = Rulebook(
            surroundings(config, forms),
            store.writer,
            store.reader,
            clock,
            self.metrics,
            ops,
            self._enquiry,
            ack_url=self._acknowledger.url,
        )
        self._silences = Silences(store.writer, clock)

        def tell_timer(due: datetime | None) -> None:
            self.decider.tell_timer(due)  # made below: it wakes the outbox

        self.outbox = Outbox(
            store.writer, clock, self.metrics, self.rulebook.render, ways, ops, set_timer=tell_timer
        )
        meant = reading(config)

        def set_timer(due: datetime | None) -> None:
            self._timers.set(due)  # made below: it asks the decider

        self.decider = Decider(
            store.writer,
            clock,
            self.metrics,
            reading=meant,
            wake=wake,
            ops=ops,
            past=self.rulebook.past_rules,
            set_timer=set_timer,
            silences=lambda: self._silences.in_force,
        )
        self._timers = Timers(store.writer, clock, self.decider.fire)
        intake = Intake(
            store.writer,
            clock,
            self.metrics,
            reading=meant,
            decider=self.decider,
            ops=ops,
        )
        self.receiver = Receiver(
            config.server, intake, self.metrics, clock, tell=ops.tell, acknowledger=self._acknowledger
        )
        self.admin = Admin(readiness=self.readiness, metrics=self._metrics_text, paused=self._paused)
        self.control = ControlServer(
            {
                "started": self._on_started,
                "reload": self._on_reload,
                "channels": self._on_channels,
                "send": self._on_send,
                "retry": self._on_retry,
                "cancel": self._on_cancel,
                "ack": self._on_ack,
                "silences/add": self._silences.on_add,
                "silences/end": self._silences.on_end,
                "forget": self._on_forget,
                "forget/finish": self._on_forgotten,
            }
        )
        self._draining = False
        self._reloading = asyncio.Lock()

    def _make_enquiry(self) -> Enquiry | None:
        api, class_times = self._config.zenoti_api, Zone(self._config.class_times)
        if api is None:
            return None

        def count(outcome: str) -> None:
            self.metrics.api_calls.labels(outcome).inc()

        key = api.key.get_secret_value()
        client = ZenotiApi(key, api.base_url, self._clock, class_times, count)
        return Enquiry(client, self._store.writer, self._clock, class_times)

    # --- life ---------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event, on_ready: Callable[[], None] | None = None) -> None:
        """Serve until `stop` is set, then stop in order.  Raises what a task died of."""
        loop = asyncio.get_running_loop()
        died: asyncio.Future[None] = loop.create_future()

        def on_death(error: Exception) -> None:
            loop.call_soon_threadsafe(died.set_exception, error)

        self._store.writer.on_death = on_death
        await self._start()
        try:
            await self._listen()
        except ZennotifyError:
            await self._close()
            raise
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(task)
                for task in (
                    self.outbox.run(),
                    self._heartbeat(),
                    self._watch(),
                    self._purge(),
                    self._fire_timers(),
                    _raise(died),
                )
            ]
            recovery = group.create_task(self.decider.recover())
            _tame_collector()
            if on_ready is not None:
                on_ready()
            if self._store.was_unclean:
                tasks.append(group.create_task(self._quick_check()))
            await stop.wait()
            await self._stop_serving()
            if self.rulebook.rules is not None:  # what was just accepted is decided before we go
                await asyncio.wait([recovery], timeout=_RECOVERY_DEADLINE)
            for task in (*tasks, recovery):
                task.cancel()
        await self._close()

    async def _start(self) -> None:
        self._store.writer.start()
        if self._enquiry is not None:
            await self._enquiry.start()
        await self._acknowledger.start()
        await self.rulebook.start()
        await self._silences.load()
        if self.rulebook.rules is not None:
            await self._use(self.rulebook.rules)
        await self.outbox.take_over()

    async def _listen(self) -> None:
        sockets = [sock for name, sock in systemd.listen_fds() if name != "admin"]
        server, admin = self._config.server, self._config.admin
        await _listening(server.listen, self.receiver.start(sockets or server.listen))
        await _listening(admin.listen, self.admin.start(admin.listen))
        await _listening(admin.control, self.control.start(admin.control))
        where = ", ".join(str(address) for address in self.receiver.addresses)
        logger.info("zennotify %s listens on %s", __version__, where)
        systemd.ready(f"listens on {where}")

    async def _stop_serving(self) -> None:
        self._draining = True
        systemd.stopping("finishing what is under way")
        logger.info("stopping")
        await self.receiver.stop()
        await self.control.stop()
        await self.outbox.stop(STOP_DEADLINE)

    async def _close(self) -> None:
        await self.admin.stop()
        if self._enquiry is not None:
            await self._enquiry.close()
        await asyncio.to_thread(self._store.close)
        close_all()
        logger.info("stopped")

    # --- tasks --------------------------------------------------------------------------------------------

    async def _heartbeat(self) -> None:
        """Measure how late the event loop is."""
        never = asyncio.Event()
        while True:
            began = time.monotonic()
            await self._clock.sleep_until(self._clock.now() + _HEARTBEAT, never)
            late = time.monotonic() - began - _HEARTBEAT.total_seconds()
            self.metrics.loop_lag.set(max(late, 0))

    async def _fire_timers(self) -> None:
        """Fire what is due, once there are rules to do it by."""
        await self.decider.has_rules()
        await self._timers.run()

    async def _watch(self) -> None:
        """Feed systemd's watchdog, only while the loop and the writer make progress."""
        interval = systemd.watchdog_interval()
        never = asyncio.Event()
        while interval is not None:
            await self._clock.sleep_until(self._clock.now() + interval, never)
            with contextlib.suppress(TimeoutError):  # the store may be away; the writer has to answer
                async with asyncio.timeout(_WRITER_PATIENCE):
                    with contextlib.suppress(StoreUnavailable):
                        await self._store.writer.call(_nothing)
                systemd.alive()

    async def _purge(self) -> None:
        """Forget what has been kept long enough."""
        keep = self._config.store.keep
        writer, never = self._store.writer, asyncio.Event()
        while True:
            await self._clock.sleep_until(self._clock.now() + _PURGE_EVERY, never)
            now = self._clock.now()
            try:
                await writer.call(Transaction.purge_windows, now)
                await writer.call(Transaction.purge_quarantine, now - keep.quarantine)
                await self._silences.purge(now - keep.events)
                after: str | None = ""
                while after is not None:
                    after = await writer.call(Transaction.purge_facts, now - keep.facts, after, _PURGE_BATCH)
                while await writer.call(
                    Transaction.purge_events, now, now - keep.events, now - keep.dead, _PURGE_BATCH
                ):
                    pass
            except StoreUnavailable:
                continue

    async def _quick_check(self) -> None:
        """Look whether a crash damaged the store, after requests are answered."""
        problem = await asyncio.to_thread(self._store.reader.quick_check)
        if problem is not None:
            raise RuntimeError(f"the store is damaged: {problem}")

    # --- what operators ask -------------------------------------------------------------------------------

    async def readiness(self) -> dict[str, str | None]:
        """Return each check with the reason why it fails, or None."""
        return {
            "rules": self.rulebook.problem,
            "store": await self._writer_problem(),
            "running": "the daemon is stopping" if self._draining else None,
        }

    async def reload(self) -> dict[str, Any]:
        """Bring the rule files into force as a whole.  Raises ConfigError, and then nothing changes."""
        async with self._reloading:  # two at once could bring the older files into force last
            systemd.reloading()
            try:
                warnings = await self.rulebook.load()
            finally:
                systemd.ready("rules reloaded" if self.rulebook.problem is None else "the last reload failed")
            rules = self.rulebook.rules
            assert rules is not None, "load brought rules into force"  # noqa: S101
            await self._use(rules)
        return {"rules": len(rules.rules), "warnings": [str(warning) for warning in warnings]}

    async def _use(self, rules: RuleSet) -> None:
        self.decider.use(rules)
        with contextlib.suppress(StoreUnavailable):  # the silences that are in memory go on
            await self._silences.carry_over(rules.renamed)

    async def _on_started(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        return {"started": self._started.isoformat()}

    async def _on_reload(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self.reload()
        except StoreUnavailable as error:
            raise ControlError(str(error)) from error
        except ConfigError as error:
            raise ControlError(f"{error}\nnothing has changed: the rules from before go on") from error

    async def _on_channels(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        return byhand.described(self._ways)

    async def _on_send(self, arguments: dict[str, Any]) -> dict[str, Any]:
        def sending(way: Way, to: str, message: Message, label: Label) -> Result:
            return self.outbox.send_by_hand(way.name, message, label, to)

        return await asyncio.to_thread(byhand.send, self._ways, arguments, sending)

    async def _on_retry(self, arguments: dict[str, Any]) -> dict[str, Any]:
        changed = await self._change(Transaction.revive, str(arguments.get("id")), self._clock.now())
        with contextlib.suppress(
            StoreUnavailable
        ):  # it is changed; paused channels try when it is their time
            await self.outbox.try_now()
        return changed

    async def _on_cancel(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return await self._change(Transaction.cancel, str(arguments.get("id")))

    async def _on_ack(self, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self._acknowledger.command(arguments)
        except (StoreUnavailable, ValueError) as error:
            raise ControlError(str(error)) from error

    async def _change(self, statements: Callable[..., bool], *args: Any) -> dict[str, Any]:
        try:
            return {"changed": await self._store.writer.call(statements, *args)}
        except StoreUnavailable as error:
            raise ControlError(str(error)) from error

    async def _on_forget(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if self._enquiry is not None:
            self._enquiry.forget()
        try:
            erased = dict(
                await self._store.writer.call(erase, Part(**arguments), reading(self._config), alone=False)
            )
            if arguments.get("silences"):
                await self._silences.load()
        except StoreUnavailable as error:
            raise ControlError(str(error)) from error
        return erased

    async def _on_forgotten(self, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            is_empty = await self._store.writer.empty_log()
        except StoreUnavailable as error:
            raise ControlError(str(error)) from error
        if is_empty and arguments.get("erased") and not arguments.get("left"):
            logger.info("a guest was forgotten")
        return {"is_empty": is_empty}

    def _paused(self) -> dict[str, str]:
        """Return the channels that may not send, and why."""
        return {
            name: f"{pause.cause.value} until {pause.until:%Y-%m-%dT%H:%M:%SZ}: {pause.detail}"
            for name, pause in self.outbox.pauses().items()
        }

    async def _writer_problem(self) -> str | None:
        try:
            async with asyncio.timeout(_WRITER_PATIENCE):
                await self._store.writer.call(_nothing)
        except (StoreUnavailable, TimeoutError) as error:
            return str(error) or "the store does not answer"
        return None

    async def _metrics_text(self) -> bytes:
        try:
            backlog = await asyncio.to_thread(self._store.reader.backlog)
        except StoreError:  # what is in memory is still worth reading
            return self.metrics.text()
        for name in self._ways:
            self.metrics.outbox_pending.labels(name).set(backlog.pending.get(name, 0))
        age = (self._clock.now() - backlog.oldest_due).total_seconds() if backlog.oldest_due else 0
        self.metrics.outbox_oldest_seconds.set(max(age, 0))
        return self.metrics.text()


def _nothing(_transaction: Transaction) -> None:
    """Show that the writer makes progress."""


def _tame_collector() -> None:
    """Look for cyclic garbage less often, and never in what the start made: it lives as long as we do.

    With Python's own thresholds this costs an eighth of each event and most of the slowest answers' time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


async def _listening(address: Address, start: Awaitable[None]) -> None:
    try:
        await start
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ZennotifyError(f"cannot listen on {address}: {reason}") from error


async def _raise(died: Awaitable[None]) -> None:
    await died
