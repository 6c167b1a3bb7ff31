"""Shared tools: a server on real sockets, callers that speak the protocol by hand, the program as a process."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import hashlib
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Any, Final, Self, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chatcli.client.identity.key import Identity, key_path
from chatcli.client.storage import files
from chatcli.protocol.keys import Claim, ed25519_fingerprint, key_bytes, key_text, signed_bytes
from chatcli.protocol.values.address import Address
from chatcli.server.app import Server, Settings, _loop_factory
from chatcli.server.connection.lines import Lines
from chatcli.server.connection.session import Session
from chatcli.server.hub import Hub
from chatcli.server.limits import Limits
from chatcli.server.model import User
from tests import preloaded

DEADLINE: Final = 20.0  # seconds; only a failing test waits that long

_CONFIGURATION = tempfile.TemporaryDirectory(prefix="chatcli-tests-")
atexit.register(_CONFIGURATION.cleanup)
#: The user's configuration for the whole run, never the developer's own.
CONFIGURATION: Final = Path(_CONFIGURATION.name)
#: The login name, which a test that names nobody uses: that of whoever runs the tests may be one of an operator.
LOGIN_NAME: Final = "tester"

#: Frames that may come between any others.
UNASKED: Final = frozenset({"presence", "live", "receipt", "read", "happened", "renewed"})

Frame = dict[str, Any]
Result = TypeVar("Result")


def eventually(condition: Callable[[], object], what: str = "it") -> None:
    """Wait until the condition holds, and fail after a deadline."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.005)


def new_id() -> str:
    """Return a message id."""
    return str(uuid.uuid4())


class TestKey:
    """An Ed25519 key, made with the library alone."""

    __test__ = False  # not a test, despite its name

    def __init__(self, seed: str) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest())
        self.public = self._private.public_key().public_bytes_raw()
        self.fingerprint = ed25519_fingerprint(self.public)

    def sign(self, data: bytes) -> bytes:
        """Return the signature."""
        return self._private.sign(data)


@functools.cache
def key_of(stranger: str) -> TestKey:
    """Return the key of another user."""
    return TestKey(stranger)


#: The key of the user under test, which owns the names that tests use by hand and through the program.
OWN: Final = Identity(hashlib.sha256(b"whoever runs the tests").digest())
files.create(key_path(str(CONFIGURATION / "chatcli")), OWN.export_text())


class ThreadServer:
    """The real server with real sockets, in a thread of the test's process."""

    def __init__(
        self,
        data: Path,
        limits: Limits | None = None,
        host: str = "127.0.0.1",
        files: tuple[Path, Path] | tuple[None, None] = (None, None),
        *,
        insecure: bool = False,
        port: int = 0,
        **settings: Any,  # noqa: ANN401 (as the settings)
    ) -> None:
        self.data = data
        self.certificate = files[0] or data / "server.crt"
        self._settings = Settings(
            address=Address(host, port),
            data=data,
            limits=limits or Limits(),
            tls_cert=files[0],
            tls_key=files[1],
            insecure=insecure,
            **settings,
        )
        self._started: Future[tuple[asyncio.AbstractEventLoop, Hub, Address]] = Future()
        self._thread = threading.Thread(target=self._run, name="server")
        self._failures: list[dict[str, Any]] = []

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self._failures.append(context))
        try:
            server = self.app = await Server.start(self._settings)
        except Exception as error:  # noqa: BLE001 (raised again where the test waits)
            self._started.set_exception(error)
            return
        self._started.set_result((asyncio.get_running_loop(), server.hub, server.addresses[0]))
        await self._stop.wait()
        await server.stop()

    def __enter__(self) -> Self:
        self._thread.start()
        self.loop, self.hub, self.address = self._started.result(DEADLINE)
        return self

    def stop(self) -> None:
        """Stop the server, as SIGTERM does."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(DEADLINE)

    def __exit__(self, *_: object) -> None:
        self.stop()
        assert not self._thread.is_alive()
        assert not self._failures, "something was raised in the server's loop"

    def run(self, function: Callable[[], Result]) -> Result:
        """Call the function in the server's thread and return its result."""
        result: Future[Result] = Future()
        self.loop.call_soon_threadsafe(lambda: result.set_result(function()))
        return result.result(DEADLINE)

    def connect(self, *, tls: bool = False, receive_buffer: int = 0) -> Caller:
        """Open a connection, with a TLS handshake if wanted, and send nothing yet."""
        return Caller(self.address, receive_buffer, trusting(self.certificate) if tls else None)

    def joined(self, user: str, purpose: str = "join", *, tls: bool = False, **hello: object) -> Caller:
        """Open a connection and log in."""
        caller = self.connect(tls=tls)
        fields: dict[str, Any] = hello
        caller.greets(user, purpose=purpose, **fields)
        caller.welcome = caller.hears("welcome")
        return caller


def known(server: ThreadServer, name: str) -> User:
    """Return the server's object for a user."""
    user = server.hub.users.find(name)
    assert user is not None
    return user


def sessions_of(server: ThreadServer, name: str | None = None) -> list[Session]:
    """Return the sessions of a user, or all of them. Call it in the server's thread."""
    found = server.hub.sessions if name is None else known(server, name).sessions
    return [session for session in found if isinstance(session, Session)]


def session_of(server: ThreadServer, name: str) -> Session:
    """Return the only session of a user. Call it in the server's thread."""
    (session,) = sessions_of(server, name)
    return session


def waiting_frames(session: Session) -> int:
    """Return the number of frames that a session has yet to process. Call it in the server's thread."""
    queue = session._input
    return len(queue.frames or ()) + (queue.source.unread.count(b"\n") if queue.source is not None else 0)


def feed(session: Session, data: bytes) -> None:
    """Have a session's reader of lines receive bytes, as if from its client. Call it in the server's thread."""
    lines = session._input.source
    assert isinstance(lines, Lines)
    lines.received(data)


def pass_time(server: ThreadServer, seconds: int) -> None:
    """Set the server's clock forward."""

    def set_clock() -> None:
        clock = server.hub.clock
        server.hub.clock = server.hub.questions._clock = lambda: clock() + seconds * 1000

    server.run(set_clock)


def set_failures_clock(server: ThreadServer, seconds: float) -> None:
    """Stop the clock by which wrong proofs are forgiven; another call has it go on."""

    def set_clock() -> None:
        server.hub.rate_limits._failures._clock = lambda: seconds

    server.run(set_clock)


def trusting(certificate: Path, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Return a client's TLS context that trusts this certificate and no other."""
    context = ssl.create_default_context(cafile=certificate)
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT  # as Python does from 3.13 on
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def narrow(dialling: socket.socket, receive_buffer: int = 4096) -> None:
    """Limit a connection's buffers: of small segments the other end keeps few, of loopback's megabytes."""
    dialling.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    dialling.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)


class Caller:
    """Speaks the protocol by hand, with none of our code: JSON lines over a socket, through TLS given a context."""

    def __init__(self, address: Address, receive_buffer: int = 0, context: ssl.SSLContext | None = None) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
        if receive_buffer:
            narrow(self.socket, receive_buffer)
        self.channel = b""
        self.socket.settimeout(DEADLINE)
        self.socket.connect(address[:2])
        if context is not None:
            # A long text is several records with a write each: none may wait for an acknowledgement.
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            encrypted = context.wrap_socket(self.socket, server_hostname=address.host)
            self.channel = hashlib.sha256(encrypted.getpeercert(binary_form=True) or b"").digest()
            self.socket = encrypted
        self._file = self.socket.makefile("rb")
        self.welcome: Frame = {}
        self._unread: Frame | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()

    def says(self, tag: str, **fields: object) -> None:
        """Send one frame."""
        self.says_raw(json.dumps({"t": tag, **fields}, ensure_ascii=False).encode() + b"\n")

    def greets(
        self, user: str, *, key: TestKey | Identity | None = None, purpose: str = "join", **hello: object
    ) -> None:
        """Send a hello with a key, by default the own one, and answer a challenge with the proof."""
        key = key or OWN
        self.says("hello", version=1, user=user, purpose=purpose, key=key_text(key.public), **hello)
        challenge = self.next_but_presence()
        if challenge is None or challenge["t"] != "challenge":
            self._unread = challenge
            return
        claim = Claim(
            version=1,
            server_key=challenge["key"],
            nonce=key_bytes(challenge["nonce"], 32),
            user=user,
            purpose=purpose,
            channel=self.channel,
        )
        self.says("prove", signature=key_text(key.sign(signed_bytes(claim))))

    def next_but_presence(self) -> Frame | None:
        """Return the next frame that is not a notice about others."""
        while (frame := self.next()) and frame["t"] in {"presence", "receipt", "read", "happened"}:
            pass
        return frame

    def says_raw(self, data: bytes) -> None:
        """Send raw bytes."""
        self.socket.sendall(data)

    def sends(self, to: str, text: str, identity: str | None = None, **fields: object) -> str:
        """Send a message and return its id."""
        identity = identity or new_id()
        self.says("send", id=identity, to=to, text=text, **fields)
        return identity

    def next(self) -> Frame | None:
        """Return the next frame, or None at the end of the connection."""
        if self._unread is not None:
            frame, self._unread = self._unread, None
            return frame
        line = self._file.readline()
        return json.loads(line) if line else None

    def hears(self, tag: str, **fields: object) -> Frame:
        """Return the next requested frame, which must have this tag and at least these fields."""
        while True:
            frame = self.next()
            assert frame is not None, f"the connection ended before {tag}"
            unasked = frame["t"] in UNASKED or (frame["t"] == "who" and not frame.get("n"))
            if not unasked or tag == frame["t"]:
                break
        assert frame["t"] == tag, frame
        assert {key: frame.get(key) for key in fields} == fields, frame
        return frame

    def hears_end(self) -> None:
        """Expect the server to have closed the connection."""
        while (frame := self.next()) is not None:
            assert frame["t"] in UNASKED, frame

    def texts(self, count: int) -> list[str]:
        """Return the texts of the next messages, acknowledging the last one."""
        messages = [self.hears("message") for _ in range(count)]
        if messages:
            self.says("ack", seq=messages[-1]["seq"])
        return [message["text"] for message in messages]

    def texts_until_bye(self) -> list[str]:
        """Return the texts of all messages before the server's goodbye."""
        texts = []
        while (frame := self.next()) and frame["t"] != "bye":
            if frame["t"] == "message":
                texts.append(frame["text"])
        assert frame, "the connection ended without a goodbye"
        return texts

    def asks(self, tag: str, **fields: object) -> Frame:
        """Send a request, and return its answer."""
        self.says(tag, n=9, **fields)
        while (frame := self.next()) is not None and frame.get("n") != 9:
            assert frame["t"] in UNASKED, frame
        assert frame is not None, f"the connection ended before an answer to {tag}"
        return frame

    def enters(self, room: str, **fields: object) -> Frame:
        """Enter a room, and return its description."""
        answer = self.asks("join", room=room, **fields)
        assert answer["t"] == "room", answer
        return answer

    def asks_who(self) -> list[str]:
        """Return the names of the online users."""
        self.says("who", n=7)
        return [person["user"] for person in self.hears("who", n=7)["people"]]

    def hang_up(self) -> None:
        """Close without a goodbye."""
        self._file.close()
        self.socket.close()


def environment(**extra: str) -> dict[str, str]:
    """Return the environment of a user who has configured nothing."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR", "PYTHONPATH") if key in os.environ}
    plain = {"LANG": "C.UTF-8", "TERM": "xterm-256color", "TZ": "UTC", "XDG_CONFIG_HOME": str(CONFIGURATION)}
    plain["LOGNAME"] = LOGIN_NAME
    plain["XDG_STATE_HOME"] = str(CONFIGURATION / "state")
    return {**kept, **plain, **extra}


def chatcli(*arguments: str, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    status, *outputs = preloaded.run(arguments, stdin, environment(**env), DEADLINE * 2)
    out, err = (data.decode(errors="surrogateescape") for data in outputs)
    return subprocess.CompletedProcess(arguments, status, out, err)


class Program:
    """The program as a process that the test controls."""

    def __init__(self, *arguments: str, **env: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "chatcli", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(**env),
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self._readers = [
            threading.Thread(target=self._collect, args=(stream, lines))
            for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err))
        ]
        for reader in self._readers:
            reader.start()

    def _collect(self, stream: IO[bytes] | None, lines: list[str]) -> None:
        assert stream is not None
        for line in stream:
            lines.append(line.decode().rstrip("\n"))  # noqa: PERF401 (tests read each line at once)

    def types(self, text: str) -> None:
        """Write to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def prints(self, text: str) -> None:
        """Wait until a line of its output contains the text."""
        eventually(lambda: any(text in line for line in self.out), f"{text!r} in {self.out} {self.err}")

    def complains(self, text: str) -> None:
        """Wait until a line of its standard error contains the text."""
        eventually(lambda: any(text in line for line in self.err), f"{text!r} in {self.err}")

    def end(self, number: int | None = None) -> int:
        """Send a signal, if one is given, and return the exit status."""
        if number is not None:
            self.process.send_signal(number)
        status = self.process.wait(DEADLINE)
        for reader in self._readers:
            reader.join(DEADLINE)
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE)
        for reader in self._readers:
            reader.join(DEADLINE)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


@contextlib.contextmanager
def serving(
    data: Path, *arguments: str, port: int = 0, env: Mapping[str, str] | None = None
) -> Iterator[tuple[Program, Address]]:
    """Run ``chatcli serve`` as a process; yield it and its address."""
    with Program("serve", "--data", str(data), "--port", str(port), *arguments, **(env or {})) as program:
        program.complains("    ")
        bound = next(line for line in program.err if "--server " in line).split("--server ")[1].split()[0]
        host, _, number = bound.rpartition(":")
        yield program, Address(host.strip("[]"), int(number))
