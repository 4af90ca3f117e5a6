"""Mails handed to mail servers, over sessions that are kept for the next one; the bytes below mail.py.

A new session costs six round trips, a TLS handshake and a login; the mail itself two to four.  So a session that was
used waits for the next mail of whichever channel has the same server and login.  One that the server ended meanwhile
is replaced, once, as long as nothing of this mail's content was handed over.  One that was left between two mails in
any other way than this module understands is closed.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import threading
from contextlib import suppress
from functools import cache
from time import monotonic
from typing import Any, Final, NamedTuple

from zennotify.channel import tls
from zennotify.channel.attempt import Attempt, UnreadableError, current, send_all
from zennotify.channel.dial import dial
from zennotify.channel.kept import Kept
from zennotify.channel.outcome import MailAnswer, Stage

#: Servers close idle sessions after 5 minutes (RFC 5321), a few after one.
_LONGEST_IDLE: Final = 30.0
#: Many servers end a session after some hundred mails.
_MOST_MAILS: Final = 100
#: Seconds for which we open no more sessions than a server let us have.
_LIMIT_HOLDS: Final = 60.0
#: A kept session has this part of the attempt's time to show that somebody is still there.
_PROOF_OF_LIFE: Final = 1 / 3
#: No more of one reply is read.
_LARGEST_REPLY: Final = 16 * 1024
#: No record of TLS is larger: what is left of one is not seen from outside.
_LARGEST_PART: Final = 16 * 1024
#: What stands in the place of a code: the server cannot do what the URL asks for; it is no mail server.
_NOT_OFFERED: Final = 502
_NO_CODE: Final = -1
_CLOSING: Final = 421
_GO_ON: Final = 354
_ADDRESS = re.compile(r"[!-;=?-~]+")


class Server(NamedTuple):
    """A mail server and how we come in; a session of another login, or not verified, is never taken for it."""

    host: str
    port: int
    #: "insecure", "starttls" or "ssl".
    mode: str
    verify: bool
    user: str
    password: str

    def __repr__(self) -> str:
        return f"Server({self.host}:{self.port})"


class Mailing(NamedTuple):
    """One mail to one recipient."""

    sender: str
    recipient: str
    text: str


class RefusedError(Exception):
    """The server said no: to us, or to this mail."""

    def __init__(self, answer: MailAnswer, verb: str = "") -> None:
        super().__init__(answer.code)
        self.answer = answer
        #: What it said no to; empty where the mail had not begun.
        self.verb = verb


def submit(made: Attempt, server: Server, mail: Mailing) -> MailAnswer:
    """Hand over one mail, once, and return how the server took it.

    Raises RefusedError, OSError or UnreadableError; `made.sent` says whether the server may have all of the mail.
    """
    made.sent = False
    door = _door(server)
    session = door.session(made)
    try:
        return door.hand_over(made, session, mail)
    except (RefusedError, OSError, UnreadableError) as error:
        if made.sent or session.mails == 1 or not _is_of_the_session(error):
            raise
    return door.hand_over(made, door.new_session(made), mail)


def _is_of_the_session(error: Exception) -> bool:
    """Whether a new session may help: some servers take one mail each, or forget who we are."""
    if isinstance(error, RefusedError):
        return error.verb == "MAIL" or error.answer.code == _CLOSING
    return True


def close() -> None:
    """Take leave of all servers."""
    _KEPT.close()


class _Door:
    """The way into one server, for all threads: how many sessions it lets us have at once."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._changed = threading.Condition()
        self._open = 0
        #: What the server said when we wanted more, how many there were then, and until when we remember it.
        self._refusal: RefusedError | None = None
        self._most = 0
        self._until = 0.0

    def session(self, made: Attempt) -> _Session:
        """Return a session: one that waits, a new one, or where the server gives no more the next that is free."""
        with self._changed:
            while (kept := _KEPT.take(self._server)) is None and self._is_full():
                self._wait(made)
            self._open += kept is None
        return self._new(made) if kept is None else kept

    def new_session(self, made: Attempt) -> _Session:
        """Return a new session, or where the server gives no more one that is free."""
        with self._changed:
            self._open += 1
        return self._new(made)

    def _new(self, made: Attempt) -> _Session:
        """Return a new session, which is counted already."""
        try:
            return _Session(made, self)
        except RefusedError as refused:
            with self._changed:
                if not 400 <= refused.answer.code < 500 or self._open == 0:
                    raise
                self._most, self._until, self._refusal = self._open, monotonic() + _LIMIT_HOLDS, refused
        return self.session(made)

    def hand_over(self, made: Attempt, session: _Session, mail: Mailing) -> MailAnswer:
        """Let a session hand over a mail, and keep it where it can be used again."""
        try:
            return session.hand_over(made, mail)
        finally:
            if session.is_between_mails and session.mails < _MOST_MAILS:
                _KEPT.put(self._server, session)
                self.has_changed()
            else:
                session.close()

    def has_changed(self, *, closed: int = 0) -> None:
        """Tell whoever waits that a session is free, or closed."""
        with self._changed:
            self._open -= closed
            self._changed.notify_all()

    @property
    def server(self) -> Server:
        return self._server

    def _is_full(self) -> bool:
        return self._refusal is not None and self._open >= self._most and monotonic() < self._until

    def _wait(self, made: Attempt) -> None:
        try:
            self._changed.wait(made.left())
        except TimeoutError:
            if self._refusal is None:
                raise
            raise RefusedError(self._refusal.answer) from None


class _Session(smtplib.SMTP):
    """One conversation with a mail server, within what the current attempt may spend."""

    file: _Replies | None
    sock: socket.socket | None

    def __init__(self, made: Attempt, door: _Door) -> None:
        #: Whether nothing is left of an earlier mail, and a new one may begin.
        self.is_between_mails = False
        #: How many were begun.
        self.mails = 0
        self._door: _Door | None = door
        self._server = server = door.server
        #: Until when the server must have answered, where that is sooner than the attempt's end.
        self._patience: float | None = None
        try:
            super().__init__(server.host, server.port, local_hostname=_own_name(), timeout=made.left())
            self._introduce(server)
            self.is_between_mails = True
        except smtplib.SMTPResponseException as error:
            self.close()
            raise _refused(error.smtp_code, error.smtp_error) from error
        except UnreadableError as error:
            self.close()
            raise _refused(_NO_CODE, str(error)) from error
        except smtplib.SMTPServerDisconnected:
            self.close()
            raise
        except smtplib.SMTPException as error:  # no TLS, no login, or none that we know
            self.close()
            raise _refused(_NOT_OFFERED, str(error)) from error
        except BaseException:
            self.close()
            raise

    def _introduce(self, server: Server) -> None:
        if server.mode == "starttls":
            self.starttls(context=tls.context(None, verify=server.verify))
        self.ehlo_or_helo_if_needed()
        if server.user and server.password:
            self.login(server.user, server.password)

    def hand_over(self, made: Attempt, mail: Mailing) -> MailAnswer:
        """Hand over one mail and return how the server took it."""
        content = _content(mail.text)
        size = f" size={len(content)}" if self.has_extn("size") else ""
        commands = {
            "MAIL": f"MAIL FROM:<{_address(mail.sender)}>{size}\r\n".encode("ascii"),
            "RCPT": f"RCPT TO:<{_address(mail.recipient)}>\r\n".encode("ascii"),
            "DATA": b"DATA\r\n",
        }
        self.is_between_mails = False
        self.mails += 1
        if self.mails > 1:
            self._patience = monotonic() + made.left() * _PROOF_OF_LIFE
        self._announce(commands)
        self._listen()
        self.send(content)
        # Only with its last line a mail is one.  Where writing failed, the server cannot have taken it.
        made.sent = True
        code, words = self.getreply()
        if not 200 <= code < 300:
            raise self._no("content", code, words)
        self.is_between_mails = self._is_silent
        return MailAnswer(code=code, words=_text(words))

    def _announce(self, commands: dict[str, bytes]) -> None:
        """Say what comes, all at once where the server likes that; it answers in turn all the same."""
        verbs = list(commands)
        at_once = self.has_extn("pipelining")
        if at_once:
            self.send(b"".join(commands.values()))
        while verbs:
            verb = verbs.pop(0)
            if not at_once:
                self.send(commands[verb])
            code, words = self.getreply()
            self._patience = None
            if not (code == _GO_ON if verb == "DATA" else 200 <= code < 300):
                raise self._no(verb, code, words, unread=len(verbs) if at_once else 0)

    def _no(self, verb: str, code: int, words: bytes, unread: int = 0) -> Exception:
        """Return what a refusal comes to, and see that nothing is left of this mail."""
        if not 400 <= code < 600:
            return UnreadableError(f"{code} to {verb}")
        if code != _CLOSING:
            with suppress(OSError, UnreadableError):
                codes = [self.getreply()[0] for _ in range(unread)]
                # Who goes on with a mail that has no recipient waits for its text: whatever we say is that.
                self.is_between_mails = _GO_ON not in codes and self.rset()[0] == 250 and self._is_silent
        return _refused(code, words, verb)

    def _listen(self) -> None:
        """See that no reply waits already, which would be taken for the one to what we say next."""
        if self.sock is not None and self.file is not None and self._is_silent:
            self.sock.settimeout(0)
            with suppress(BlockingIOError, ssl.SSLWantReadError):
                if not self.file.receive():
                    raise smtplib.SMTPServerDisconnected("the server closed the connection")
        if not self._is_silent:
            raise UnreadableError("a reply that nobody asked for")

    @property
    def _is_silent(self) -> bool:
        """Whether all was read of what has come; kept.py sees what comes later."""
        return self.file is None or not self.file.unread

    # --- what smtplib asks for

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        made = current()
        assert made is not None, "mail is sent within an attempt"  # noqa: S101
        sock = dial(host, port, made.left)
        if self._server.mode != "ssl":
            return sock
        try:
            return tls.context(None, verify=self._server.verify).wrap_socket(sock, server_hostname=host)
        except BaseException:
            sock.close()
            raise

    def getreply(self) -> tuple[int, bytes]:
        """Return the next reply; an endless one is none."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("the connection is closed")
        if self.file is None:  # at the beginning, and again after STARTTLS
            self.file = _Replies(self)
        lines: list[bytes] = []
        room = _LARGEST_REPLY
        while True:
            line = self.file.readline(room)
            room -= len(line)
            if room <= 0:
                raise UnreadableError("a reply without an end")
            if not line.endswith(b"\n"):
                raise smtplib.SMTPServerDisconnected("the server closed the connection")
            if not line[:3].isdigit():
                raise UnreadableError(_text(line))
            lines.append(line[4:].strip())
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(lines)

    def ehlo(self, name: str = "") -> tuple[int, bytes]:
        """Introduce us; who is closing wants no second, older greeting."""
        code, words = super().ehlo(name)
        if code == _CLOSING:
            raise smtplib.SMTPHeloError(code, words)
        return code, words

    def send(self, s: Any) -> None:
        """Write within the attempt's time."""
        made = current()
        if self.sock is None or made is None:
            raise smtplib.SMTPServerDisconnected("the connection is closed")
        send_all(made, self.sock, s.encode("ascii") if isinstance(s, str) else s)

    def left(self) -> float:
        """Return the seconds for which the next bytes may be waited for."""
        made = current()
        if made is None:
            raise TimeoutError
        if self._patience is None:
            return made.left()
        return min(made.left(), max(self._patience - monotonic(), 0.001))

    def close(self) -> None:
        """Take leave, as Postfix does: nobody waits for the server's goodbye."""
        if self.is_between_mails and self.sock is not None:
            with suppress(OSError, ssl.SSLError):
                self.sock.settimeout(0)
                self.sock.send(b"QUIT\r\n")
        self.is_between_mails = False
        with suppress(OSError):
            super().close()
        door, self._door = self._door, None
        if door is not None:
            door.has_changed(closed=1)


class _Replies:
    """What a session's server says, however slowly it drips within the attempt's time.

    A socket's own time-out begins anew with every byte.
    """

    def __init__(self, session: _Session) -> None:
        self._session = session
        #: What came and was not read yet.
        self.unread = b""

    def readline(self, most: int) -> bytes:
        """Return the next line, or as much of it as may be; without its end where there comes no more."""
        while b"\n" not in self.unread and len(self.unread) < most:
            sock = self._session.sock
            if sock is None:
                break
            sock.settimeout(self._session.left())
            if not self.receive():
                break
        end = self.unread.find(b"\n", 0, most) + 1 or most
        line, self.unread = self.unread[:end], self.unread[end:]
        return line

    def receive(self) -> bool:
        """Take what has come; return whether it was anything but the end."""
        sock = self._session.sock
        part = sock.recv(_LARGEST_PART) if sock is not None else b""
        self.unread += part
        return bool(part)

    def close(self) -> None:
        """Do nothing: the socket is the session's."""


def _refused(code: int, words: bytes | str, verb: str = "") -> RefusedError:
    stage = Stage.MESSAGE if verb else Stage.SESSION
    return RefusedError(MailAnswer(code=code, words=_text(words), stage=stage), verb)


def _address(address: str) -> str:
    """Return an address that cannot end its command."""
    if not _ADDRESS.fullmatch(address):
        msg = "no address that a mail server would take"
        raise ValueError(msg)
    return address


def _content(text: str) -> bytes:
    """Return a mail as it goes over the wire, up to the dot that ends it."""
    quoted = smtplib.quotedata(text)
    return f"{quoted}{'' if quoted.endswith(smtplib.CRLF) else smtplib.CRLF}.\r\n".encode("ascii")


def _text(said: bytes | str) -> str:
    return said if isinstance(said, str) else said.decode(errors="replace")


@cache
def _own_name() -> str:
    """Return how we introduce ourselves; smtplib would ask the name service for every mail."""
    name = socket.gethostname()
    return name if "." in name else socket.getfqdn()


_KEPT: Final[Kept[Server, _Session]] = Kept(_LONGEST_IDLE)
_DOORS: Final[dict[Server, _Door]] = {}
_DOORS_LOCK: Final = threading.Lock()


def _door(server: Server) -> _Door:
    with _DOORS_LOCK:
        return _DOORS.setdefault(server, _Door(server))
