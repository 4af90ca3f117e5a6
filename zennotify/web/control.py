"""How does a command ask the daemon?  The client of the control socket; control_server.py is the daemon's end.

A command is a name with arguments, one JSON object each way, over HTTP on a unix socket.  Called by the CLI, which
need not wait for aiohttp to be imported: standard library only.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from zennotify.errors import ControlError


class NoDaemon(ControlError):  # noqa: N818 - a state: the command may do its work by itself
    """Nobody listens on the control socket."""


def ask(path: Path, name: str, arguments: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    """Have the daemon run a command, and return what it says; `timeout` in seconds.

    Raises NoDaemon where none is there, and ControlError where it cannot be asked or says no.
    """
    with closing(_UnixConnection(path, timeout)) as connection:
        _connect(connection, path)
        try:
            connection.request(
                "POST", f"/{name}", json.dumps(arguments), {"Content-Type": "application/json"}
            )
            response = connection.getresponse()
            said = json.loads(response.read())
        except TimeoutError as error:
            late = f"the daemon did not answer within {timeout:g} seconds; it may still do it"
            raise ControlError(late) from error
        except (OSError, HTTPException, ValueError) as error:
            raise ControlError(f"the daemon on {path} hung up without an answer; see its log") from error
    if response.status != 200:
        raise ControlError(str(said.get("error", "the daemon says no")))
    return dict(said)


def _connect(connection: HTTPConnection, path: Path) -> None:
    try:
        connection.connect()
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NoDaemon(f"no daemon listens on {path}: is zennotify running?") from error
    except PermissionError as error:
        who = "run the command as the daemon's user or as root"
        raise ControlError(f"{path} is not for this user; {who}") from error
    except OSError as error:
        raise ControlError(f"{path} cannot be reached: {error}") from error


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
