"""Dialling a host with several addresses, in the one-shot sender and in the interactive client."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NoReturn, Self

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chatcli.client.identity.credentials import Login, Server
from chatcli.client.identity.trust import Trust
from chatcli.client.oneshot.client import Client
from chatcli.client.transport import aio
from chatcli.client.transport.dialer import Found, Race
from chatcli.errors import ChatError, ServerUnreachable
from chatcli.protocol.frames import VERSION, Hello
from chatcli.protocol.keys import key_text
from chatcli.protocol.values.address import Address
from tests.client.tls_server import HOST, TlsServer
from tests.client.transport.test_tls import Speak, by_link, by_oneshot
from tests.support import DEADLINE, OWN, ThreadServer

NAME: Final = "chat.test"
ELSEWHERE: Final = "127.0.0.2"  # another address of this machine, on Linux


@pytest.fixture(params=[by_oneshot, by_link])
def speak(request: pytest.FixtureRequest, configuration: object) -> Speak:
    """A client with its own configuration directory."""
    function: Speak = request.param
    return function


class Names:
    """A resolver that the test controls."""

    def __init__(self) -> None:
        self._real = socket.getaddrinfo
        self.hosts: dict[str, list[str]] = {}

    def __call__(self, host: str | bytes, port: int, *_: object, type: int = 0, flags: int = 0) -> Found:  # noqa: A002
        """Answer like the system, but for the test's hosts."""
        name = host.decode() if isinstance(host, bytes) else host
        if name not in self.hosts or flags & socket.AI_NUMERICHOST:
            return self._real(host, port, type=type, flags=flags)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in self.hosts[name]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """The resolver's names."""
    resolver = Names()
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    return resolver


@contextlib.contextmanager
def blackhole(port: int) -> Iterator[None]:
    """Yield an address that drops packets, because its queue of connections is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ELSEWHERE, port))
        listener.listen(0)
        for _ in range(4):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex((ELSEWHERE, port))
        yield


class Silent:
    """Accepts connections and sends nothing."""

    def __init__(self, port: int = 0) -> None:
        self._listener = socket.create_server((ELSEWHERE, port))
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()


def test_address_that_drops_packets(speak: Speak, names: Names) -> None:
    """The next address starts long before the first one is given up."""
    with TlsServer() as server, blackhole(server.address.port):
        names.hosts[NAME] = [ELSEWHERE, HOST]
        begun = time.monotonic()
        speak(Address(NAME, server.address.port), Trust(server.key))
        assert time.monotonic() - begun < 8, "the deadline for all addresses is ten seconds"


def test_address_without_a_handshake(speak: Speak, names: Names) -> None:
    """An unanswered handshake does not delay the next address."""
    with TlsServer() as server, Silent(server.address.port):
        names.hosts[NAME] = [ELSEWHERE, HOST]
        speak(Address(NAME, server.address.port), Trust(server.key))


@contextlib.contextmanager
def answering(port: int, answer: bytes | None) -> Iterator[None]:
    """Run another service at a port, which answers the first bytes, or with None does not, and hangs up."""
    ended = threading.Event()

    def run() -> None:
        other.settimeout(0.05)
        while not ended.is_set():
            with contextlib.suppress(OSError), other.accept()[0] as caller:
                if answer is not None:
                    caller.settimeout(DEADLINE)
                    caller.recv(65536)
                    caller.sendall(answer)

    with socket.create_server((ELSEWHERE, port)) as other:
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(DEADLINE)


def who(server: Address) -> None:
    """Request the online users, as `who` does."""
    Client(Login(server=Server.at(server))).who()


def join(server: Address) -> None:
    """Join, as `join` does, and leave."""

    async def run() -> None:
        hello = Hello(VERSION, "alice", "join", key_text(OWN.public))
        connection, _ = await aio.connect(Login(server=Server.at(server), identity=OWN), hello)
        await connection.log_out()

    asyncio.run(run())


#: Other services at the first address of localhost.
OTHERS: Final[dict[str, Callable[[int], contextlib.AbstractContextManager[object]]]] = {
    "silent": Silent,
    "hangs up": lambda port: answering(port, None),
    "other": lambda port: answering(port, b"HTTP/1.1 400 Bad Request\r\n\r\n"),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("speak_plainly", [who, join])
def test_plain_hello_decides(
    tmp_path: Path, names: Names, configuration: object, kind: str, speak_plainly: Callable[[Address], None]
) -> None:
    """Another service at one address of localhost does not hide the server at the other; alone, it is reported."""
    names.hosts["localhost"] = [ELSEWHERE, "127.0.0.1"]
    with ThreadServer(tmp_path) as server:
        place = Address("localhost", server.address.port)
        with OTHERS[kind](place.port):
            begun = time.monotonic()
            speak_plainly(place)
            assert time.monotonic() - begun < 8, "the deadline for all addresses is ten seconds"
    if kind != "silent":
        with (
            OTHERS[kind](place.port),
            pytest.raises(ChatError, match=r"is it a chatcli server|is not a chatcli server"),
        ):
            speak_plainly(place)


def test_address_that_refuses(speak: Speak, names: Names) -> None:
    """The next one is tried at once, however many there are."""
    with TlsServer() as server:
        names.hosts[NAME] = [f"127.0.0.{number}" for number in range(2, 9)] + [HOST]
        speak(Address(NAME, server.address.port), Trust(server.key))


def test_address_with_another_service(speak: Speak, names: Names) -> None:
    """A service that hangs up at TLS does not delay the next address."""
    with TlsServer() as server, answering(server.address.port, None):
        names.hosts[NAME] = [ELSEWHERE, HOST]
        speak(Address(NAME, server.address.port), Trust(server.key))


def test_error_names_every_address(speak: Speak, names: Names) -> None:
    """Each has its cause, and there is a remedy."""
    with socket.create_server((HOST, 0)) as unused:
        port = unused.getsockname()[1]
    names.hosts[NAME] = [ELSEWHERE, HOST]
    with pytest.raises(ServerUnreachable) as refusal:
        speak(Address(NAME, port), Trust(accept_new=True))
    told = str(refusal.value)
    assert told.startswith(f"No server answers at {NAME}:{port} ({ELSEWHERE}: refused, {HOST}: refused): start one")


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (socket.EAI_AGAIN, 'The name "chat.test" cannot be looked up at the moment'),
        (socket.EAI_NONAME, 'There is no host called "chat.test"'),
        (socket.EAI_FAIL, 'The name "chat.test" cannot be looked up'),
    ],
)
def test_lookup_errors(speak: Speak, monkeypatch: pytest.MonkeyPatch, number: int, sentence: str) -> None:
    """An unknown name and a failed lookup give different errors."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(number, "as the system says it")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ServerUnreachable) as refusal:
        speak(Address(NAME, 1), Trust(accept_new=True))
    assert str(refusal.value).startswith(sentence)


def address(ip: str, family: int = socket.AF_INET) -> tuple[int, int, int, str, tuple[Any, ...]]:
    """Return an address in the resolver's form."""
    return (family, socket.SOCK_STREAM, 6, "", (ip, 1))


def test_families_alternate() -> None:
    """Addresses alternate between families (RFC 8305, section 4), and each is tried once."""
    six = [address(f"2001:db8::{number}", socket.AF_INET6) for number in range(3)]
    race = Race(Address(NAME, 1), [*six, address("10.0.0.1"), address("10.0.0.2"), six[0]])
    order = []
    now = 0.0
    while (target := race.due(now)) is not None:
        order.append(str(target))
        assert race.due(now) is None, "not before its turn"
        now = race.next_at or now
    assert order == ["2001:db8::0", "10.0.0.1", "2001:db8::1", "10.0.0.2", "2001:db8::2"]


def test_time_of_the_next_attempt() -> None:
    """It is a second at most, and at once after a failure, also while TLS is pending."""
    race = Race(Address(NAME, 1), [address("10.0.0.1"), address("10.0.0.2"), address("10.0.0.3")])
    first = race.due(100.0)
    assert first is not None
    race.established(first, 100.2)
    assert race.next_at is not None
    assert 100.2 < race.next_at < 101
    assert race.due(100.3) is None
    race.failed(first, ConnectionRefusedError())
    second = race.due(100.3)
    assert str(second) == "10.0.0.2"


def test_timeouts(names: Names) -> None:
    """Each address has the step that it reached, and untried ones are named."""
    race = Race(Address(NAME, 1), [address("10.0.0.1"), address("10.0.0.2"), address("10.0.0.3")])
    first, second = race.due(0.0), race.due(1.0)
    assert first is not None
    assert second is not None
    race.established(second, 1.0)
    assert str(race.failure()).startswith(
        f"{NAME}:1 does not answer (10.0.0.1: does not answer, 10.0.0.2: connected, but does not speak, "
        "10.0.0.3: no time was left): check"
    )


def test_pin_at_every_address(speak: Speak, names: Names) -> None:
    """Another address does not bypass the pin."""
    with TlsServer(Ed25519PrivateKey.generate()) as other:
        names.hosts[NAME] = [ELSEWHERE, HOST]
        with pytest.raises(Exception, match="does not have the key that is pinned"):
            speak(Address(NAME, other.address.port), Trust("SHA256:" + "1" * 42 + "A"))
