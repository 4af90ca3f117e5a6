"""A name with several addresses: one of them that does not answer is not the end."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from zennotify.channel import dial
from zennotify.channel.attempt import Attempt


@pytest.fixture
def dead_and_alive() -> Iterator[socket.socket]:
    """Listen on 127.0.0.2, and on the same port of 127.0.0.1 with a queue that is full: nothing answers there."""
    with ExitStack() as stack:
        dead, alive = (stack.enter_context(socket.socket()) for _ in range(2))
        dead.bind(("127.0.0.1", 0))
        dead.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(dead.getsockname())
        alive.bind(("127.0.0.2", dead.getsockname()[1]))
        alive.listen()
        yield alive


def lead_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def look_up(_host: str, port: int, _flags: int) -> list[dial._Place]:
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, (at, port)) for at in addresses]

    monkeypatch.setattr(dial, "_look_up", look_up)


@pytest.mark.parametrize("dead", [1, 3])
def test_a_dead_address_leaves_time_for_the_next(
    monkeypatch: pytest.MonkeyPatch, dead_and_alive: socket.socket, dead: int
) -> None:
    lead_to(monkeypatch, *["127.0.0.1"] * dead, "127.0.0.2")
    made = Attempt(2.0)
    with dial.dial("two.test", dead_and_alive.getsockname()[1], made.left) as sock:
        assert sock.getpeername() == dead_and_alive.getsockname()


def test_dead_addresses_only_are_a_time_out(
    monkeypatch: pytest.MonkeyPatch, dead_and_alive: socket.socket
) -> None:
    lead_to(monkeypatch, "127.0.0.1", "127.0.0.1")
    with pytest.raises(TimeoutError):
        dial.dial("two.test", dead_and_alive.getsockname()[1], Attempt(0.4).left)
