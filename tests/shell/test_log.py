"""The log: one line per record, the journal's priorities, and a stream that nobody reads stalls nothing."""

from __future__ import annotations

import io
import logging
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from zennotify import log

PATIENCE = 20.0
logger = logging.getLogger("zennotify.tests")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger("zennotify")
    handlers, level, propagate = list(root.handlers), root.level, root.propagate
    yield
    log.stop()
    root.handlers[:] = handlers
    root.setLevel(level)
    root.propagate = propagate


def written(stream: io.StringIO) -> list[str]:
    log.stop()
    return stream.getvalue().splitlines()


class Stuck(io.StringIO):
    """A stream that takes nothing until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.may_go_on = threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        assert self.may_go_on.wait(PATIENCE)
        return super().write(text)


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    stream = Stuck()
    yield stream
    stream.may_go_on.set()


def test_a_line_has_its_time_its_level_and_its_text() -> None:
    stream = io.StringIO()
    log.set_up(stream)
    logger.info("event=%s decided", "e1")
    logger.warning("careful")
    first, second = written(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO event=e1 decided", first)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d WARNING careful", second)


def test_what_is_below_the_level_is_not_written() -> None:
    stream = io.StringIO()
    log.set_up(stream)
    logger.debug("chatter")
    log.lines(logger, [])
    assert written(stream) == []
    again = io.StringIO()
    log.set_up(again, logging.DEBUG)
    logger.debug("chatter")
    assert len(written(again)) == 1


def test_a_batch_is_written_as_its_lines() -> None:
    stream = io.StringIO()
    log.set_up(stream)
    log.lines(logger, (f"event=e{number}" for number in range(3)))
    assert [line.split()[-1] for line in written(stream)] == ["event=e0", "event=e1", "event=e2"]


def test_other_programs_loggers_and_the_root_are_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    stream = io.StringIO()
    log.set_up(stream)
    logger.error("ours")
    logging.getLogger("somebody.else").error("theirs")
    assert [line.split()[-1] for line in written(stream)] == ["ours"]
    assert [record.message for record in caplog.records] == ["theirs"]


def test_setting_up_again_writes_to_the_new_stream_only() -> None:
    old, new = io.StringIO(), io.StringIO()
    log.set_up(old)
    log.set_up(new)
    logger.info("once")
    assert len(written(new)) == 1
    assert old.getvalue() == ""


# --- the journal ------------------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TextIO]:
    with (tmp_path / "journal").open("w+") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        yield stream


def in_journal(stream: TextIO) -> list[str]:
    log.stop()
    stream.seek(0)
    return stream.read().splitlines()


@pytest.mark.parametrize(
    ("level", "prefix"), [("info", "<6>"), ("warning", "<4>"), ("error", "<3>"), ("critical", "<2>")]
)
def test_under_systemd_a_line_carries_its_priority_and_no_time(
    journal: TextIO, level: str, prefix: str
) -> None:
    log.set_up(journal)
    getattr(logger, level)("text")
    assert in_journal(journal) == [f"{prefix}text"]


def test_each_line_of_a_batch_and_of_a_traceback_carries_its_priority(journal: TextIO) -> None:
    log.set_up(journal)
    log.lines(logger, ["a", "b"])
    try:
        int("reason")
    except ValueError:
        logger.exception("failed")
    lines = in_journal(journal)
    assert lines[:3] == ["<6>a", "<6>b", "<3>failed"]
    assert lines[-1] == "<3>ValueError: invalid literal for int() with base 10: 'reason'"
    assert all(line.startswith("<3>") for line in lines[2:])


@pytest.mark.parametrize("value", ["", "1:2", "nonsense"])
def test_another_stream_than_the_journals_is_written_plainly(
    journal: TextIO, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", value)
    log.set_up(journal)
    logger.info("text")
    [line] = in_journal(journal)
    assert re.fullmatch(r"[\d: -]+ INFO text", line)


@pytest.mark.usefixtures("journal")
def test_a_stream_that_is_no_file_is_not_the_journal() -> None:
    stream = io.StringIO()
    log.set_up(stream)
    logger.info("text")
    assert not written(stream)[0].startswith("<")


# --- a stream that nobody reads ---------------------------------------------------------------------------


def test_a_full_queue_drops_and_never_blocks(stuck: Stuck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_MOST_WAITING", 3)
    log.set_up(stuck)
    logger.info("first")
    assert stuck.reached.wait(PATIENCE)
    for number in range(100):
        logger.info("%d", number)
    stuck.may_go_on.set()
    assert [line.split()[-1] for line in written(stuck)] == ["first", "0", "1", "2"]


def test_the_end_waits_for_a_stream_that_is_slow(stuck: Stuck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_MOST_WAITING", 2)
    log.set_up(stuck)
    logger.info("first")
    assert stuck.reached.wait(PATIENCE)
    logger.info("second")
    logger.info("third")
    threading.Timer(0.05, stuck.may_go_on.set).start()
    assert len(written(stuck)) == 3


@pytest.mark.parametrize("number", [1, 10])
def test_the_end_does_not_wait_for_ever(stuck: Stuck, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(log, "_MOST_WAITING", 2)
    monkeypatch.setattr(log, "_LONGEST_STOP", 0.05)
    log.set_up(stuck)
    for _ in range(number):
        logger.info("text")
    log.stop()
    assert stuck.getvalue() == ""
