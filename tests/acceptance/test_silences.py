"""A silence on a real daemon: it holds for what comes after the command, over a restart, and until it is ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Daemon, numbered
from tests.sinks import HttpSink

BELLEVUE, REDMOND = "1aab4fd2-2ff3-4ede-bca2-74aa2ccb54b6", "2bbc5ae3-3ff4-4fef-9db3-85bb3ddc65c7"
CENTERS = f"""
centers:
  {BELLEVUE}: {{name: Bellevue}}
  {REDMOND}: {{name: Redmond}}
"""
RULES = """
rules:
  - {id: closed, event: Invoice.Closed, notify: desk, message: "Closed {{ data.number }}"}
"""


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with HttpSink() as sink:
        yield sink


@pytest.fixture
def daemon(sink: HttpSink, tmp_path: Path) -> Iterator[Daemon]:
    (tmp_path / "centers.yaml").write_text(CENTERS)
    daemon = Daemon(
        tmp_path, channels={"desk": {"url": sink.url()}}, rules=RULES, centers=str(tmp_path / "centers.yaml")
    )
    yield daemon
    daemon.kill()


def close(daemon: Daemon, number: int, center: str, **data: Any) -> None:
    event = numbered(number)
    event["data"] |= {"center_id": center, **data}
    assert daemon.post(event)[0] == 200


def decision(daemon: Daemon, number: int) -> dict[str, Any]:
    [event] = daemon.json("events", "show", f"event-{number}")
    [one] = event["decisions"]
    return dict(one)


def test_a_silence_mutes_what_it_names_over_a_restart_until_it_is_ended(
    daemon: Daemon, sink: HttpSink
) -> None:
    daemon.start()
    done = daemon.cli("silences", "add", "--rule", "closed", "--match", "center.name=Bellevue", "--for", "2h",
                      "--why", "stock taking", "--by", "Nora")  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    [silence] = daemon.json("silences")
    close(daemon, 1, BELLEVUE)
    close(daemon, 2, REDMOND)
    sink.wait_for(1)
    muted = decision(daemon, 1)
    assert (muted["reason"], muted["deliveries"]) == ("silenced", [])
    assert muted["detail"].startswith(f"silence {silence['id']} by Nora until ")
    assert muted["detail"].endswith(": stock taking")
    assert decision(daemon, 2)["reason"] == "notified"

    daemon.kill()
    daemon.start()
    close(daemon, 3, BELLEVUE)
    close(daemon, 4, REDMOND)
    sink.wait_for(2)
    assert decision(daemon, 3)["detail"] == muted["detail"]

    assert daemon.cli("silences", "end", silence["id"], "--by", "Mia").returncode == 0
    close(daemon, 5, BELLEVUE)
    sink.wait_for(3)
    assert decision(daemon, 5)["reason"] == "notified"
    assert daemon.stop() == 0
    assert sorted(got.json["message"].split()[1] for got in sink.received) == ["2", "4", "5"]
    [over] = daemon.json("silences", "list", "--all")
    assert (over["state"], over["ended_by"]) == ("ended", "Mia")
    assert "Nora" not in daemon.log
    assert "stock taking" not in daemon.log


def test_one_that_was_added_without_a_daemon_holds_when_it_starts(daemon: Daemon) -> None:
    daemon.start()
    assert daemon.stop() == 0
    assert daemon.cli("silences", "add", "--rule", "closed", "--for", "1h").returncode == 0
    daemon.start()
    close(daemon, 1, REDMOND)
    assert daemon.stop() == 0
    assert decision(daemon, 1)["reason"] == "silenced"
    assert daemon.cli("silences", "end", daemon.json("silences")[0]["id"]).returncode == 0
    daemon.start()
    close(daemon, 2, REDMOND)
    assert daemon.stop() == 0
    assert decision(daemon, 2)["reason"] == "notified"


def test_a_guest_who_is_forgotten_is_not_remembered_by_a_silence(daemon: Daemon, sink: HttpSink) -> None:
    guest = "d08327d8-f928-4c37-8be3-1b2c3d4e5f60"
    daemon.start()
    assert daemon.cli("silences", "add", "--match", f"data.note={guest}", "--for", "1h").returncode == 0
    close(daemon, 1, REDMOND, note=guest)
    close(daemon, 2, REDMOND)
    sink.wait_for(1)
    assert decision(daemon, 1)["reason"] == "silenced"
    assert daemon.cli("forget", guest, "--yes").returncode == 0
    assert daemon.json("silences", "list", "--all") == []
    close(daemon, 3, REDMOND, note=guest)
    sink.wait_for(2)
    assert decision(daemon, 3)["reason"] == "notified"
    assert daemon.stop() == 0


def test_a_rule_that_is_renamed_stays_mute(daemon: Daemon, sink: HttpSink, tmp_path: Path) -> None:
    daemon.start()
    assert daemon.cli("silences", "add", "--rule", "closed", "--for", "1h").returncode == 0
    (tmp_path / "rules.yaml").write_text(RULES.replace("id: closed,", "id: shut, renamed_from: closed,"))
    assert daemon.cli("reload").returncode == 0
    assert daemon.json("silences")[0]["rule"] == "shut"
    close(daemon, 1, REDMOND)
    assert daemon.stop() == 0
    assert decision(daemon, 1)["reason"] == "silenced"
    assert sink.received == []
