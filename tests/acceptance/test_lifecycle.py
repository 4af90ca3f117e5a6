"""Start, reload, stop and crash of a real daemon."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import pytest

from tests.acceptance.daemon import PATIENCE, ROOT, SECRET, Daemon, numbered
from tests.sinks import Answer, How, HttpSink
from zennotify.zenoti.sample import load_sample
from zennotify.zenoti.signature import sign

STATUS = load_sample("AppointmentGroup.Status")
RULE = """
rules:
  - {id: every-event, description: Any event, event: "*", notify: desk, message: "first text"}
"""


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with HttpSink() as sink:
        yield sink


class Make(Protocol):
    """Makes a daemon with one channel `desk` that leads to the sink."""

    def __call__(self, rules: str = RULE, ops: Sequence[str] = (), **channel: object) -> Daemon: ...


@pytest.fixture
def make(sink: HttpSink, tmp_path: Path) -> Iterator[Make]:
    made: list[Daemon] = []

    def make_one(rules: str = RULE, ops: Sequence[str] = (), **channel: object) -> Daemon:
        channels = {"desk": {"url": sink.url(), **channel}}
        made.append(Daemon(tmp_path, channels=channels, rules=rules, ops=list(ops)))
        return made[-1]

    yield make_one
    for daemon in made:
        daemon.kill()


def test_a_second_daemon_on_the_same_store_says_so_and_ends(make: Make) -> None:
    daemon = make()
    daemon.start()
    second = daemon.cli("run")
    assert second.returncode == 1
    assert f"zennotify is already running on this store (process {daemon.process.pid})" in second.stderr  # type: ignore[union-attr]
    daemon.stop()


def test_the_store_and_the_control_socket_are_for_their_owner_only(make: Make, tmp_path: Path) -> None:
    daemon = make()
    daemon.start()
    daemon.post(STATUS)
    for name in (
        "zennotify.db",
        "zennotify.db-wal",
        "zennotify.db-shm",
        "zennotify.db.lock",
        "zennotify.sock",
    ):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600, name
    daemon.stop()


def test_sigterm_finishes_what_is_being_sent(make: Make, sink: HttpSink) -> None:
    sink.answer(Answer(delay=0.5))
    daemon = make()
    daemon.start()
    daemon.post(STATUS)
    sink.wait_for(1)
    assert daemon.stop() == 0
    [delivery] = daemon.json("deliveries")
    assert delivery["state"] == "delivered"
    daemon.start()
    daemon.post(numbered(1))
    sink.wait_for(2)
    daemon.stop()
    assert len(sink.received) == 2, "nothing was sent twice"


def test_a_failed_send_is_tried_again_and_every_try_is_on_record(make: Make, sink: HttpSink) -> None:
    sink.answer(Answer(503), Answer(503), Answer(200))
    daemon = make(retry=["0s", "0s", "0s"])
    daemon.start()
    daemon.post(STATUS)
    sent = sink.wait_for(3)
    daemon.stop()
    assert len({got.body for got in sent}) == 1, "each try sends the same text"
    [delivery] = daemon.json("deliveries")
    assert [attempt["outcome"] for attempt in delivery["attempts"]] == ["temporary", "temporary", "sent"]
    assert "503" in delivery["attempts"][0]["detail"]


def test_a_refused_message_is_dead_and_can_be_tried_again_by_hand(make: Make, sink: HttpSink) -> None:
    sink.answer(Answer(404), Answer(200))
    daemon = make()
    daemon.start()
    daemon.post(STATUS)
    sink.wait_for(1)
    daemon.stop()
    [dead] = daemon.json("deliveries", "list", "--state", "dead")
    assert dead["reason"] == "refused"
    daemon.start()
    done = daemon.cli("deliveries", "retry", dead["id"][:8])
    assert (done.returncode, done.stdout) == (0, f"delivery {dead['id'][:8]} is due now\n")
    sink.wait_for(2)
    daemon.stop()
    assert daemon.json("deliveries")[0]["state"] == "delivered"
    refused = daemon.cli("deliveries", "cancel", dead["id"])
    assert refused.returncode == 1
    assert "is delivered; it cannot be changed like that" in refused.stderr


def test_a_delivery_can_be_cancelled_without_a_daemon(make: Make, sink: HttpSink) -> None:
    sink.answer(Answer(503))
    daemon = make(retry=["0s", "5h"])
    daemon.start()
    daemon.post(STATUS)
    sink.wait_for(1)
    daemon.stop()
    [waiting] = daemon.json("deliveries", "list", "--state", "pending")
    assert daemon.cli("deliveries", "cancel", waiting["id"]).returncode == 0
    assert daemon.json("deliveries")[0]["state"] == "cancelled"


def test_what_was_being_sent_at_a_kill_is_unknown_and_sent_again(make: Make, sink: HttpSink) -> None:
    sink.answer(Answer(how=How.HANG), Answer(200))
    daemon = make()
    daemon.start()
    daemon.post(STATUS)
    sink.wait_for(1)
    daemon.kill()
    daemon.start()
    sink.wait_for(2)
    daemon.stop()
    [delivery] = daemon.json("deliveries")
    assert [attempt["outcome"] for attempt in delivery["attempts"]] == ["unknown", "sent"]


def test_reload_brings_new_rules_into_force_and_a_bad_set_changes_nothing(
    make: Make, sink: HttpSink, tmp_path: Path
) -> None:
    daemon = make()
    daemon.start()
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULE.replace("first", "second"))
    assert daemon.cli("reload").stdout == "1 rules are in force\n"
    daemon.post(numbered(1))
    assert "second text" in sink.wait_for(1)[0].json["message"]

    rules.write_text(RULE.replace("notify: desk", "notify: dekс"))
    refused = daemon.cli("reload")
    assert refused.returncode == 1
    assert "rules.yaml:3:" in refused.stderr
    assert "nothing has changed" in refused.stderr
    status, text = daemon.admin("/readyz")
    assert status == 503
    assert "the rules have 1 error" in json.loads(text)["checks"]["rules"]
    assert "\nzennotify_reload_success 0.0" in daemon.admin("/metrics")[1]
    daemon.post(numbered(2))
    assert "second text" in sink.wait_for(2)[1].json["message"]

    rules.unlink()
    daemon.signal(signal.SIGHUP)
    daemon.post(numbered(3))
    assert "second text" in sink.wait_for(3)[2].json["message"]
    daemon.stop()


def test_reload_says_when_the_configuration_waits_for_a_restart(make: Make, tmp_path: Path) -> None:
    daemon = make()
    daemon.start()
    said = "zennotify: config.yaml has changed since the daemon started: restart it to take that in\n"
    assert daemon.cli("reload").stderr == ""
    assert daemon.json("reload") == [{"rules": 1, "warnings": [], "error": "", "config_changed": False}]

    daemon.config.write_text(daemon.config.read_text() + "locale: de\n")
    done = daemon.cli("reload")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 rules are in force\n", said)
    assert daemon.json("reload")[0]["config_changed"] is True

    (tmp_path / "rules.yaml").write_text("rules: [")
    refused = daemon.cli("reload")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "nothing has changed: the rules from before go on\n" in refused.stderr
    assert refused.stderr.endswith(said)
    refused = daemon.cli("reload", "--json")
    [answer] = json.loads(refused.stdout)
    assert (refused.returncode, answer["rules"], answer["config_changed"]) == (1, None, True)
    assert "rules.yaml:1:" in answer["error"]

    daemon.stop()
    (tmp_path / "rules.yaml").write_text(RULE)
    daemon.start()
    assert daemon.json("reload")[0]["config_changed"] is False


def test_bad_rules_at_the_start_leave_the_last_good_ones_in_force(
    make: Make, sink: HttpSink, tmp_path: Path
) -> None:
    daemon = make()
    daemon.start()
    daemon.stop()
    (tmp_path / "rules.yaml").write_text("rules: [")
    daemon.start()
    daemon.post(STATUS)
    assert "first text" in sink.wait_for(1)[0].json["message"]
    assert daemon.admin("/readyz")[0] == 503
    daemon.stop()


def test_bad_centres_change_nothing_and_at_a_start_the_last_good_ones_go_on(
    make: Make, sink: HttpSink, tmp_path: Path
) -> None:
    centers = tmp_path / "centers.yaml"
    centers.write_text("centers:\n  c1: {name: Bellevue, channels: {manager: desk}}\n")
    daemon = make(RULE.replace("notify: desk", "notify: [desk, manager]"))
    daemon.start()
    assert daemon.admin("/readyz")[0] == 200
    centers.write_text("centers:\n  c1: {time_zone: Nowhere, channels: {manager: desk}}\n")
    refused = daemon.cli("reload")
    assert refused.returncode == 1
    assert "centers.yaml:2:19: centers.c1.time_zone: " in refused.stderr
    assert "nothing has changed" in refused.stderr
    daemon.stop()

    centers.unlink()  # what `manager` means is known to the kept set only
    daemon.start()
    assert "there is no channel `manager`" in daemon.admin("/readyz")[1]
    daemon.post(STATUS)
    assert "first text" in sink.wait_for(1)[0].json["message"]
    daemon.stop()


def test_without_any_good_rules_events_wait_undecided_until_there_are_some(
    make: Make, sink: HttpSink, tmp_path: Path
) -> None:
    daemon = make("rules: [")
    daemon.start()
    assert daemon.post(STATUS)[0] == 200
    assert daemon.json("events")[0]["state"] == "undecided"
    (tmp_path / "rules.yaml").write_text(RULE)
    daemon.cli("reload")
    sink.wait_for(1)
    daemon.stop()


def test_a_delivery_is_written_by_the_rules_that_decided_it(
    make: Make, sink: HttpSink, tmp_path: Path
) -> None:
    """The daemon dies before the first try; the rule is gone when it comes back."""
    daemon = make(concurrency=1)
    sink.answer(Answer(how=How.HANG), Answer(200))
    daemon.start()
    daemon.post(numbered(1))
    sink.wait_for(1)
    daemon.post(numbered(2))  # waits behind the one that hangs
    while any(event["state"] == "undecided" for event in daemon.json("events")):
        pass
    daemon.kill()
    (tmp_path / "rules.yaml").write_text(RULE.replace("every-event", "another").replace("first", "second"))
    daemon.start()
    messages = [got.json["message"] for got in sink.wait_for(3)]
    assert all("first text" in message for message in messages)
    daemon.stop()


def test_deliveries_of_a_removed_channel_are_dead(make: Make, sink: HttpSink, tmp_path: Path) -> None:
    sink.answer(Answer(503))
    daemon = make(retry=["0s", "5h"])
    daemon.start()
    daemon.post(STATUS)
    sink.wait_for(1)
    daemon.stop()
    again = Daemon(tmp_path, channels={"other": {"url": sink.url()}}, rules=RULE.replace("desk", "other"))
    again.start()
    again.stop()
    [delivery] = again.json("deliveries")
    assert (delivery["state"], delivery["reason"]) == ("dead", "channel_removed")


def test_a_template_that_fails_never_loses_the_message(make: Make, sink: HttpSink) -> None:
    rules = """
rules:
  - {id: broken, description: Any event, event: "*", notify: desk, message: "{{ data.no_such_field }}"}
"""
    daemon = make(rules)
    daemon.start()
    daemon.post(STATUS)
    [got] = sink.wait_for(1)
    assert "no_such_field" in got.json["message"]
    assert "13024" in got.json["message"]
    assert 'zennotify_template_errors_total{rule="broken"} 1.0' in daemon.admin("/metrics")[1]
    daemon.stop()


def test_a_broken_when_is_an_error_of_its_rule_only(make: Make, sink: HttpSink) -> None:
    rules = RULE + '  - {id: broken, event: "*", when: data.nothing > 3, notify: desk, message: never}\n'
    daemon = make(rules)
    daemon.start()
    daemon.post(STATUS)
    sink.wait_for(1)
    daemon.stop()
    [event] = daemon.json("events", "list", "--reason", "error")
    assert {one["rule"]: one["reason"] for one in event["decisions"]} == {
        "every-event": "notified",
        "broken": "error",
    }


def test_a_held_back_message_is_told_by_the_next_one_in_the_list(make: Make, sink: HttpSink) -> None:
    rules = """
rules:
  - id: once
    description: Any
    event: "*"
    once: {per: event.type, for: 1h}
    notify: desk
    message: "text"
"""
    daemon = make(rules)
    daemon.start()
    for number in range(3):
        daemon.post(numbered(number))
    sink.wait_for(1)
    daemon.stop()
    reasons = [event["decisions"][0]["reason"] for event in daemon.json("events")]
    assert sorted(reasons) == ["held_back", "held_back", "notified"]
    assert len(sink.received) == 1


def test_fifty_posts_of_one_event_at_the_same_instant_lead_to_one_message(make: Make, sink: HttpSink) -> None:

    with ThreadPoolExecutor(50) as pool:
        daemon = make()
        daemon.start()
        answers = [answer["status"] for _, answer in pool.map(lambda _: daemon.post(STATUS), range(50))]
        assert sorted(answers) == ["accepted"] + ["duplicate"] * 49
        sink.wait_for(1)
        daemon.stop()
        assert len(sink.received) == 1


def test_a_port_that_is_taken_is_said_in_one_sentence(make: Make) -> None:
    daemon = make()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", daemon.port))
        taken.listen()
        done = daemon.cli("run")
    assert done.returncode == 1
    assert f"127.0.0.1:{daemon.port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_ends_with_78_for_a_bad_configuration_and_for_a_missing_secret(make: Make) -> None:
    daemon = make(url="${env:NO_SUCH_VARIABLE_1}")
    done = daemon.cli("run")
    assert done.returncode == 78
    assert "NO_SUCH_VARIABLE_1" in done.stderr
    assert daemon.cli("check").returncode == 0, "check only warns"


def test_a_restart_under_a_systemd_socket_refuses_no_connection(make: Make, sink: HttpSink) -> None:
    """The listening socket is held by somebody else, as systemd does; requests wait in its queue."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(64)
        held.set_inheritable(True)
        daemon = make()
        daemon.port = held.getsockname()[1]
        launcher = (
            "import os, sys\n"
            "fd = int(sys.argv[1]); os.dup2(fd, 3); os.set_inheritable(3, True)\n"
            "os.environ.update(LISTEN_FDS='1', LISTEN_FDNAMES='webhook', LISTEN_PID=str(os.getpid()))\n"
            "os.execv(sys.executable, [sys.executable, '-m', 'zennotify', 'run', '--config', sys.argv[2]])\n"
        )
        command = [sys.executable, "-c", launcher, str(held.fileno()), str(daemon.config)]
        for number in range(3):
            # Posted while no daemon runs: the connection waits, and is answered by the next one.
            waiting = socket.create_connection(held.getsockname(), timeout=PATIENCE)

            raw = json.dumps(numbered(number)).encode()
            head = (
                f"POST /webhooks/zenoti HTTP/1.1\r\nHost: t\r\nContent-Length: {len(raw)}\r\n"
                f"zenoti-webhook-signature: {sign(SECRET.encode(), raw)}\r\n\r\n"
            )
            waiting.sendall(head.encode() + raw)
            with daemon.log_path.open("a") as log:
                process = subprocess.Popen(command, pass_fds=[held.fileno()], cwd=ROOT, stderr=log)
            with waiting:
                assert waiting.recv(4096).startswith(b"HTTP/1.1 200 ")
            sink.wait_for(number + 1)
            process.terminate()
            assert process.wait(PATIENCE) == 0


def test_the_watchdog_is_fed_while_the_daemon_makes_progress(make: Make, tmp_path: Path) -> None:
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(tmp_path / "notify"))
    notify.settimeout(PATIENCE)
    with notify:
        daemon = make()
        environ = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
        with daemon.log_path.open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "zennotify", "run", "--config", str(daemon.config)],
                cwd=ROOT, env=environ, stderr=log,
            )  # fmt: skip
        said: list[bytes] = []
        while sum(b"WATCHDOG=1" in one for one in said) < 3:
            said.append(notify.recv(4096))
        assert said[0].startswith(b"READY=1")
        process.terminate()
        while b"STOPPING=1" not in said[-1]:
            said.append(notify.recv(4096))
        assert process.wait(PATIENCE) == 0


def test_send_shows_what_the_provider_said_with_and_without_a_daemon(make: Make, sink: HttpSink) -> None:
    daemon = make()
    assert daemon.cli("send", "desk", "hello").stdout == "desk: sent: HTTP 200\n"
    daemon.start()
    sink.answer(Answer(404))
    refused = daemon.cli("send", "desk", "hello")
    assert refused.returncode == 1
    assert refused.stdout.startswith("desk: permanent: HTTP 404")
    assert daemon.cli("send", "dsk", "hello").returncode == 2
    assert sink.received[0].json["title"] == "[TEST] zennotify"
    daemon.stop()


def test_the_public_address_has_the_webhook_only(make: Make) -> None:
    daemon = make()
    daemon.start()
    for path in ("/metrics", "/healthz", "/readyz", "/"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}{path}", timeout=PATIENCE)
    daemon.stop()


def test_the_owners_hear_of_a_trouble_once_an_hour(make: Make, sink: HttpSink) -> None:
    rules = """
rules:
  - {id: broken, event: "*", when: data.nothing > 3, notify: desk, message: never}
"""
    daemon = make(rules, ops=["desk"])
    daemon.start()
    for number in range(3):
        daemon.post(numbered(number))
    daemon.post(b"no json")
    told = {got.json["title"]: got.json["message"] for got in sink.wait_for(2)}
    daemon.stop()
    assert len(sink.received) == 2
    assert "no field `data.nothing`" in told["zennotify: rule broken could not be asked"]
    assert "reason bad_json" in told["zennotify: a request could not be understood"]
    assert {delivery["event"] for delivery in daemon.json("deliveries")} == {None}
