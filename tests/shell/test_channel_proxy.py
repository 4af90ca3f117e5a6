"""Channels through the proxy that the machine's environment names."""

from __future__ import annotations

import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Self

import pytest

from tests.certificates import self_signed
from tests.sinks import HttpSink
from zennotify.channel import close_all, egress, open_channel
from zennotify.core.model import Form, Label, Message, Outcome, Result

LOGIN = b64encode(b"me:s3cr3t/pass").decode()


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("no_proxy", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    egress._proxies.cache_clear()
    yield
    egress._proxies.cache_clear()
    close_all()


def send(url: str) -> Result:
    hook = open_channel("hook", url=url, to=None, form=None, timeout=timedelta(seconds=5), echo=print)
    return hook.send(Message(title="No-show", body="text", form=Form.JSON), Label("d1"))


class Tunnel:
    """A proxy that leads every CONNECT to one port, or refuses it."""

    def __init__(self, leads_to: int, refusal: str = "") -> None:
        self._leads_to = leads_to
        self._refusal = refusal
        self._threads: list[threading.Thread] = []
        self.heads: list[str] = []

    def __enter__(self) -> Self:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in list(self._threads):
            thread.join()

    @property
    def port(self) -> int:
        return int(self._server.getsockname()[1])

    def _spawn(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)  # type: ignore[arg-type] # a function
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._spawn(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(1024)
        self.heads.append(head.decode())
        if self._refusal:
            client.sendall(f"HTTP/1.1 {self._refusal}\r\nContent-Length: 0\r\n\r\n".encode())
            client.close()
            return
        server = socket.create_connection(("127.0.0.1", self._leads_to))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=_pass_on, args=(server, client))
        back.start()
        _pass_on(client, server)
        back.join()
        client.close()
        server.close()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while part := one.recv(65536):
            other.sendall(part)
        other.shutdown(socket.SHUT_WR)


def test_plain_http_goes_to_the_proxy_as_a_whole_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpSink() as proxy:
        monkeypatch.setenv("http_proxy", f"http://me:s3cr3t%2Fpass@127.0.0.1:{proxy.port}")
        outcomes = [send("json://far.example/hook?-a=b").outcome for _ in range(2)]
        close_all()
    assert outcomes == [Outcome.SENT] * 2
    assert [got.path for got in proxy.received] == ["http://far.example/hook?a=b"] * 2
    assert proxy.connections == 1
    assert proxy.received[0].headers["Host"] == "far.example"
    assert proxy.received[0].headers["Proxy-Authorization"] == f"Basic {LOGIN}"


def test_https_goes_through_the_proxy_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls, certificate = self_signed(tmp_path, name="DNS:far.example")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with HttpSink(tls) as sink, Tunnel(sink.port) as proxy:
        monkeypatch.setenv("https_proxy", f"http://me:s3cr3t%2Fpass@127.0.0.1:{proxy.port}")
        outcomes = [send("jsons://far.example/hook").outcome for _ in range(3)]
        close_all()
    assert outcomes == [Outcome.SENT] * 3
    assert [got.path for got in sink.received] == ["/hook"] * 3
    assert "Proxy-Authorization" not in sink.received[0].headers
    (head,) = proxy.heads
    assert head.startswith("CONNECT far.example:443 HTTP/1.1\r\n")
    assert f"Proxy-Authorization: Basic {LOGIN}" in head


@pytest.mark.parametrize(
    ("refusal", "outcome"),
    [
        ("407 Proxy Authentication Required", Outcome.BLOCKED),
        ("403 Forbidden", Outcome.BLOCKED),
        ("502 Bad Gateway", Outcome.TEMPORARY),
    ],
)
def test_a_proxy_that_refuses_is_named(
    monkeypatch: pytest.MonkeyPatch, refusal: str, outcome: Outcome
) -> None:
    with Tunnel(0, refusal) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        assert send("jsons://far.example/hook") == Result(
            outcome=outcome,
            detail=f"far.example could not be reached: the proxy answered HTTP {refusal[:3]}",
        )


def test_a_proxy_that_we_cannot_speak_to_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1080")
    assert send("json://far.example/hook") == Result(
        outcome=Outcome.BLOCKED,
        detail="far.example could not be reached: only proxies that are reached by http:// can be used",
    )
