"""Logging: one line per event and per attempt, ids only; personal data never.

A queue stands between the program and the stream, so that a journal which does not read never stalls the loop.
Under systemd each line carries its priority for the journal; elsewhere the time and the level.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import logging.handlers
import os
import queue
import sys
from collections.abc import Iterable
from typing import TextIO

_MOST_WAITING = 10_000
#: Seconds that the end of the program waits for a stream that nobody reads.
_LONGEST_STOP = 5.0
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


def set_up(stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Send the program's log to the stream (standard error by default)."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_JournalFormatter() if _is_journal(stream) else _PlainFormatter())
    waiting: queue.Queue[logging.LogRecord | None] = queue.Queue(_MOST_WAITING)
    listener = _Listener(waiting, handler)
    logger = logging.getLogger("zennotify")
    for old in list(logger.handlers):
        logger.removeHandler(old)
    logger.addHandler(_DroppingQueueHandler(waiting))
    logger.setLevel(level)
    logger.propagate = False
    listener.start()
    atexit.register(listener.stop)
    flush.append(listener)


#: The listeners that `stop` has to empty.
flush: list[logging.handlers.QueueListener] = []


def stop() -> None:
    """Write what waits; called before a process ends without its exit handlers."""
    while flush:
        listener = flush.pop()
        atexit.unregister(listener.stop)
        listener.stop()


def lines(logger: logging.Logger, texts: Iterable[str]) -> None:
    """Log several lines at once: one record for a whole batch costs a tenth of one for each."""
    if text := "\n".join(texts):
        logger.info("%s", text)


class _Listener(logging.handlers.QueueListener):
    """Ends in bounded time: the library's raises when the queue is full, and waits for ever for its stream."""

    def __init__(self, waiting: queue.Queue[logging.LogRecord | None], handler: logging.Handler) -> None:
        super().__init__(waiting, handler)
        self._waiting = waiting

    def stop(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            with contextlib.suppress(queue.Full):
                self._waiting.put(None, timeout=_LONGEST_STOP)
                thread.join(_LONGEST_STOP)


class _DroppingQueueHandler(logging.handlers.QueueHandler):
    """Never blocks: when nobody reads, records are dropped, and their number is told later."""

    def __init__(self, waiting: queue.Queue[logging.LogRecord | None]) -> None:
        super().__init__(waiting)
        self._dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            if self._dropped:
                text = f"{self._dropped} log lines were dropped: nobody read them"
                told = logging.LogRecord(record.name, logging.WARNING, "", 0, text, None, None)
                self.queue.put_nowait(told)
                self._dropped = 0
            self.queue.put_nowait(record)
        except queue.Full:
            self._dropped += 1

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """Stay silent: there is nowhere left to complain."""


class _PlainFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = f"{self.formatTime(record, '%Y-%m-%d %H:%M:%S')} {record.levelname} "
        return "\n".join(prefix + line for line in super().format(record).splitlines())


class _JournalFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = f"<{_PRIORITIES.get(record.levelno, 5)}>"
        return "\n".join(prefix + line for line in super().format(record).splitlines())


def _is_journal(stream: TextIO) -> bool:
    """Return whether the stream is the one that systemd connected to the journal."""
    wanted = os.environ.get("JOURNAL_STREAM")
    if not wanted:
        return False
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return wanted == f"{status.st_dev}:{status.st_ino}"
