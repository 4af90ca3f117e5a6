"""How does the daemon hear a command?  Its end of the control socket; control.py is the client.

app.build hands in the commands by name.  The socket's file is for its owner only, so that who may connect may do
everything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from zennotify.config import Address
from zennotify.errors import ControlError
from zennotify.web.serving import Site, failure

Command = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class ControlServer:
    """Runs commands: `POST /<name>` with a JSON object, which is answered with another."""

    def __init__(self, commands: Mapping[str, Command]) -> None:
        """Take the commands; one raises ControlError to say no, with a sentence for the terminal."""
        self._commands = commands
        self._site = Site([web.post("/{name:.+}", self._run)])

    async def start(self, address: Address) -> None:
        """Listen; raises OSError where the address cannot be had."""
        await self._site.start(address)

    async def stop(self) -> None:
        """Stop listening, and return when the commands in flight are answered."""
        await self._site.stop()

    async def _run(self, request: web.Request) -> web.Response:
        command = self._commands.get(request.match_info["name"])
        if command is None:
            return failure(
                404, "the daemon does not know this command; it may be of another version, and need a restart"
            )
        try:
            arguments = await request.json()
        except ValueError:
            return failure(400, "the arguments of a command are a JSON object")
        if not isinstance(arguments, dict):
            return failure(400, "the arguments of a command are a JSON object")
        try:
            return web.json_response(await command(arguments))
        except ControlError as error:
            return failure(409, str(error))
