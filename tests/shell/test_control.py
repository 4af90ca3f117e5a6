"""The control socket: commands reach the daemon, and what goes wrong is one clear sentence."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.http_corpus import Client
from zennotify.cli import main
from zennotify.config import Address
from zennotify.errors import ControlError
from zennotify.web.control import NoDaemon, ask
from zennotify.web.control_server import Command, ControlServer


async def echo(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"said": arguments}


async def refuse(_arguments: dict[str, Any]) -> dict[str, Any]:
    raise ControlError("there is no delivery 12ab")


async def fail(_arguments: dict[str, Any]) -> dict[str, Any]:
    raise LookupError("canary")


COMMANDS = {"echo": echo, "deliveries/retry": echo, "refuse": refuse, "fail": fail}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "zennotify.sock"


@asynccontextmanager
async def control(path: Path, commands: Mapping[str, Command] = COMMANDS) -> AsyncIterator[None]:
    server = ControlServer(commands)
    await server.start(Address(path=path))
    try:
        yield
    finally:
        await server.stop()


async def asked(path: Path, name: str, arguments: dict[str, Any], timeout: float = 10) -> dict[str, Any]:
    return await asyncio.to_thread(ask, path, name, arguments, timeout)


async def test_command_is_answered_by_the_daemon(path: Path) -> None:
    async with control(path):
        assert await asked(path, "echo", {"a": "é", "b": [1, None]}) == {"said": {"a": "é", "b": [1, None]}}
        assert await asked(path, "deliveries/retry", {}) == {"said": {}}


async def test_refusal_is_the_daemons_own_sentence(path: Path) -> None:
    async with control(path):
        with pytest.raises(ControlError, match=r"^there is no delivery 12ab$"):
            await asked(path, "refuse", {})


async def test_command_of_another_version_is_named_as_such(path: Path) -> None:
    async with control(path):
        with pytest.raises(ControlError, match="does not know this command"):
            await asked(path, "dance", {})


async def test_mistake_of_the_daemon_is_told_by_its_type(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with control(path):
        with pytest.raises(ControlError, match="LookupError") as raised:
            await asked(path, "fail", {})
    assert "canary" not in str(raised.value) + caplog.text


async def test_daemon_that_does_not_answer_in_time_is_not_waited_for(path: Path) -> None:
    asked_enough = asyncio.Event()

    async def ponder(_arguments: dict[str, Any]) -> dict[str, Any]:
        await asked_enough.wait()
        return {}

    async with control(path, {"ponder": ponder}):
        with pytest.raises(ControlError, match=r"did not answer within 0\.2 seconds"):
            await asked(path, "ponder", {}, timeout=0.2)
        asked_enough.set()


@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense"])
async def test_arguments_must_be_an_object(path: Path, body: bytes) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with control(path), await Client.open_unix(path) as client:
        answer = await client.ask(head + body)
    assert (answer.status, list(answer.json)) == (400, ["error"])


async def test_only_the_owner_may_connect(path: Path) -> None:
    async with control(path):
        assert mode_of(path) == 0o600
    assert mode_of(path) is None


def mode_of(path: Path) -> int | None:
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else None


async def test_socket_of_a_killed_daemon_is_replaced_and_that_of_a_living_one_is_not(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(NoDaemon):
        await asked(path, "echo", {})
    async with control(path):
        with pytest.raises(OSError, match="in use"):
            await ControlServer(COMMANDS).start(Address(path=path))
        assert await asked(path, "echo", {}) == {"said": {}}


def test_absent_daemon_is_told_apart(path: Path) -> None:
    with pytest.raises(NoDaemon, match=r"no daemon listens on .*/zennotify\.sock: is zennotify running\?"):
        ask(path, "echo", {}, 1)


def test_path_that_no_socket_can_have_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="cannot be reached"):
        ask(tmp_path / ("x" * 200), "echo", {}, 1)


async def test_daemon_that_dies_meanwhile_is_a_clear_error(path: Path) -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_unix_server(hang_up, path):
        with pytest.raises(ControlError, match="hung up without an answer") as raised:
            await asked(path, "echo", {})
        assert not isinstance(raised.value, NoDaemon)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_user_who_may_not_connect_is_told_who_may(path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from zennotify.web.control import ask; os.setuid(65534);"
        "ask(Path(sys.argv[1]), 'echo', {}, 5)"
    )
    for folder in (path.parent, *path.parent.parents[:-2]):
        folder.chmod(0o755)
    async with control(path):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, path, stderr=subprocess.PIPE
        )
        _, stderr = await child.communicate()
    assert b"is not for this user" in stderr


def test_client_needs_no_aiohttp() -> None:
    program = "import sys, zennotify.web.control; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


async def test_reload_works_with_a_daemon_that_does_not_say_when_it_started(
    tmp_path: Path, path: Path
) -> None:
    async def reload(_arguments: dict[str, Any]) -> dict[str, Any]:
        return {"rules": 3, "warnings": ["a warning"]}

    config = tmp_path / "config.yaml"
    config.write_text('channels: {desk: {url: "console://desk"}}\n')
    async with control(path, {"reload": reload}):
        done = await asyncio.to_thread(CliRunner().invoke, main, ["reload", "--config", str(config)])
    assert (done.exit_code, done.stdout, done.stderr) == (0, "3 rules are in force\n", "a warning\n")
