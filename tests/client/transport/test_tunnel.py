"""Tunnels: answers of what is no chatcli server, proxies on the way, secrets, and the bytes in both directions."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import logging
import os
import re
import selectors
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import SERVER, Protocol, State
from websockets.uri import WebSocketURI

import chatcli
from chatcli.client.identity.credentials import Login, Server
from chatcli.client.identity.trust import Trust
from chatcli.client.transport import aio, blocking, dialer, tls, tunnel, tunnel_pump
from chatcli.client.transport.dialer import HungUp
from chatcli.client.transport.proxies import HEADER_VARIABLE, Proxy, headers_in_environment, proxy_for
from chatcli.client.transport.tunnel_pump import Pump
from chatcli.client.transport.tunnel_tls import TlsLayers
from chatcli.client.transport.upgrade import NotHttp, connect_request, foreign_protocol, read_head
from chatcli.errors import ChatError, ForeignAnswer, InputError, ServerNotTrusted, ServerUnreachable
from chatcli.protocol.values.address import Address, parse_address
from tests.addresses import own_address
from tests.forwarder import ConnectProxy, Forwarder, Request, answer
from tests.support import DEADLINE, OWN, ThreadServer, eventually

VARIABLES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", HEADER_VARIABLE)
NEW_KEYS = Trust(accept_new=True)


@pytest.fixture(autouse=True)
def _environment(configuration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(name="forwarder")
def forwarder_of_the_server(server: ThreadServer, tmp_path: Path) -> Iterator[Forwarder]:
    """Yield a forwarder that ends TLS."""
    with Forwarder(server.address, tmp_path) as forwarder:
        yield forwarder


@pytest.fixture(name="gate")
def forwarder_of_nothing(tmp_path: Path) -> Iterator[Forwarder]:
    """Yield a forwarder that ends TLS, behind which nothing listens."""
    with Forwarder(Address("127.0.0.1", unused_port()), tmp_path) as forwarder:
        yield forwarder


def unused_port() -> int:
    """Return a port at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def login(server: Address, trust: Trust = NEW_KEYS) -> Login:
    """Return the login of a user at a server."""
    return Login(server=Server.at(server), user="al", trust=trust, identity=OWN)


def failure(server: Address, seconds: float = DEADLINE) -> ChatError:
    """Return the error with which a connection fails, which is the same for both transports."""
    with pytest.raises(ChatError) as blocked:
        blocking.connect(login(server), time.monotonic() + seconds).socket.close()

    async def connect() -> None:
        who = login(server)
        connection, _ = await aio.connect(who, who.hello("listen"))
        await connection.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aio, "_CONNECTING", seconds)
        with pytest.raises(ChatError) as awaited:
            asyncio.run(connect())
    assert type(blocked.value) is type(awaited.value)
    assert str(blocked.value) == str(awaited.value)
    return blocked.value


# Answers


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (
            answer(200, "OK"),
            r"A web server answers at https://\S+ with a page \(200 OK\)",
        ),
        (answer(400, "Bad Request"), r"opens no WebSocket \(400 Bad Request\)"),
        (answer(401, "Unauthorized"), r"gate .* is closed \(401 Unauthorized\): .*CHATCLI_HTTP_HEADER"),
        (answer(403, "Forbidden"), r"gate .* is closed \(403 Forbidden\): .*Have it made public"),
        (answer(404, "Not Found"), r"knows nothing of a chatcli server \(404\): check the address"),
        (answer(421, "Misdirected Request"), r"serves nothing under the name 127\.0\.0\.1 \(421\): check the address"),
        (answer(500, "Oh\x1b[31m"), r"\(500 Oh␛\[31m\)"),
        (answer(302, "Found", "Location: https://login.test/pf?to=x"), r"is closed \(302 Found, to login\.test\)"),
        (answer(307, "See", "Location: /login"), r"is closed \(307 See\)"),
        (
            answer(308, "There", "Location: https://127.0.0.1/chat/-/ws"),
            r"moved \(308\): give --server https://127\.0\.0\.1/chat\.",
        ),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "does not speak HTTP"),
        (b"\0" * 7, "does not speak HTTP"),
        (b"HTTP/1.1 OK\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\n\n", "does not speak HTTP"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 10 + answer(404, "No"), "knows nothing of a chatcli server"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 11 + answer(404, "No"), "does not speak HTTP"),
        (
            answer(308, "There", "Location: https://127.0.0.1/$(id)/-/ws"),
            r"give --server 'https://127\.0\.0\.1/\$\(id\)'\.",
        ),
        (answer(308, "There", "Location: http://127.0.0.1/chat/-/ws"), r"is closed \(308 There\)"),
        (answer(308, "There", f"Location: https://127.0.0.1/{'c' * 300}/-/ws"), r"is closed \(308 There\)"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "does not speak HTTP"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", r"switches the protocol \(101\), but not to a WebSocket"),
        (
            b"HTTP/1.1 100 Continue\r\n\r\n" + answer(101, "Yes", "Upgrade: websocket", "Sec-WebSocket-Accept: AAAA"),
            "but not to a WebSocket",
        ),
    ],
)
def test_answers_of_others(gate: Forwarder, raw: bytes, sentence: str) -> None:
    """Each gets a sentence that names the status and the remedy."""
    gate.answer = raw
    error = failure(gate.address)
    assert type(error) is ForeignAnswer
    assert error.args[0] == str(error)
    with pytest.raises(ForeignAnswer, match=sentence):
        raise error


@given(st.one_of(st.binary(), st.binary().map(lambda rest: b"HTTP/1.1 2" + rest)), st.binary())
def test_heads(data: bytes, more: bytes) -> None:
    """Whatever comes is a head, none, or the beginning of one; what follows changes no head."""
    try:
        head = read_head(data)
    except NotHttp:
        return
    if head is not None:
        assert read_head(data + more) == head
        assert 100 <= head.status <= 999
        assert f"{head} {head.location}".isprintable()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_not_now(gate: Forwarder, status: int) -> None:
    """A forwarder that does not reach the server is like a server that does not answer."""
    gate.answer = answer(status, "Sorry")
    error = failure(gate.address)
    assert type(error) is ServerUnreachable
    assert f"({status} Sorry)" in str(error)


def test_nothing_behind_the_forwarder(gate: Forwarder) -> None:
    """It says so."""
    assert "does not reach a server there (502 Bad Gateway): is it running" in str(failure(gate.address))


def test_hang_up(gate: Forwarder) -> None:
    """It is worth another attempt."""
    gate.answer = b""
    error = failure(gate.address)
    assert type(error) is HungUp
    assert "broke the connection before the tunnel was open" in str(error)


def test_silence(gate: Forwarder) -> None:
    """It ends with the time that is given."""
    gate.is_silent = True
    error = failure(gate.address, 0.5)
    assert type(error) is ServerUnreachable
    assert "does not answer" in str(error)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        ("socket.socketpair", OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "too many files are open here"),
        ("selectors.DefaultSelector", OSError(errno.ENFILE, os.strerror(errno.ENFILE)), "too many files are open here"),
        ("socket.socketpair", OSError(errno.ENOBUFS, "No buffers"), r"Cannot connect to \S+ \(No buffers\)"),
    ],
)
def test_failures_of_this_machine(
    forwarder: Forwarder, monkeypatch: pytest.MonkeyPatch, call: str, error: OSError, sentence: str
) -> None:
    """They end the opening at once with the reason, also that of a pump in its thread, and nothing stays open."""
    fail_in_tunnels(monkeypatch, call, error)
    found = failure(forwarder.address)
    assert type(found) is ServerUnreachable
    assert re.search(sentence, str(found))
    eventually(lambda: not forwarder.connections, "the end of the connections")


def test_defects(forwarder: Forwarder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any exception of the thread is raised where the tunnel is waited for."""
    fail_in_tunnels(monkeypatch, "socket.socketpair", ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        asyncio.run(aio.connect(login(forwarder.address), login(forwarder.address).hello("listen")))


def fail_in_tunnels(monkeypatch: pytest.MonkeyPatch, call: str, error: Exception) -> None:
    """Have a function of the standard library fail, for tunnels only."""

    def fail() -> None:
        raise error

    module, name = call.split(".")
    at: object = tunnel if module == "socket" else tunnel_pump
    working = {"socket": socket, "selectors": selectors}[module]
    monkeypatch.setattr(at, module, SimpleNamespace(**(vars(working) | {name: fail})))


def test_no_descriptor_for_a_selector(server: ThreadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a tunnel, the reason is the same."""

    def fail() -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(dialer, "selectors", SimpleNamespace(**(vars(selectors) | {"DefaultSelector": fail})))
    with pytest.raises(ServerUnreachable, match="too many files are open here"):
        blocking.connect(login(server.address), time.monotonic() + DEADLINE)


def test_thread_that_never_reports(forwarder: Forwarder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait for it has the deadline of the connection."""
    monkeypatch.setattr(aio, "_FOR_THE_SENTENCE", 0.2)
    monkeypatch.setattr(tunnel, "Thread", lambda **_: SimpleNamespace(start=lambda: None))

    async def dial() -> None:
        server = forwarder.address
        deadline = asyncio.get_running_loop().time() + 0.3
        await aio._dial(server, deadline, tls.attempts(server, server, NEW_KEYS)[0])

    with pytest.raises(ServerUnreachable, match="does not answer"):
        asyncio.run(asyncio.wait_for(dial(), DEADLINE))


def test_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever keeps sending does not keep the client, nor its thread, beyond the time that is given."""
    monkeypatch.setattr(tunnel, "_MOST_PRELIMINARY", 1 << 60)

    def babble(caller: socket.socket) -> None:
        with caller, contextlib.suppress(OSError):
            while True:
                caller.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=babble, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        error = failure(Address("127.0.0.1", listener.getsockname()[1], "http"), 0.5)
        listener.shutdown(socket.SHUT_RDWR)
    assert "does not answer" in str(error)
    eventually(lambda: "tunnel-opening" not in {thread.name for thread in threading.enumerate()}, "its thread")


def test_refused(gate: Forwarder) -> None:
    """The sentence does not advise to start a server there."""
    gate.refuse()
    error = failure(gate.address)
    assert type(error) is ServerUnreachable
    assert "Nothing answers at https://127.0.0.1" in str(error)
    assert "chatcli serve" not in str(error)


def test_wrong_scheme(gate: Forwarder, server: ThreadServer) -> None:
    """TLS where plain HTTP is spoken, and the other way round."""
    with Forwarder(server.address) as plain:
        assert "does not speak TLS" in str(failure(plain.address._replace(scheme="https")))
    assert isinstance(failure(gate.address._replace(scheme="http")), (ForeignAnswer, HungUp))


def test_websocket_of_others(gate: Forwarder) -> None:
    """A WebSocket that answers something else than TLS is not a chatcli server's."""

    def accept(request: Request) -> bytes:
        key = request.get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accepted = b64encode(hashlib.sha1(key.encode()).digest()).decode()  # noqa: S324 (RFC 6455)
        theirs = Protocol(SERVER, state=State.OPEN)
        theirs.send_binary(b"hello, who are you?\n")
        head = answer(101, "Yes", "Upgrade: websocket", f"Sec-WebSocket-Accept: {accepted}", body="").decode()
        head = head.replace("Content-Length: 0\r\n", "").replace("Connection: close", "Connection: Upgrade")
        return head.encode() + b"".join(theirs.data_to_send())

    gate.answer = accept
    error = failure(gate.address)
    assert type(error) is ForeignAnswer
    assert "There is a WebSocket at" in str(error)


# The server


def exchange(server: Address, trust: Trust = NEW_KEYS) -> None:
    """Log in, by both transports."""
    with blocking.logged_in(login(server, trust), "send", time.monotonic() + DEADLINE) as connection:
        assert connection.channel.binding

    async def listen() -> None:
        who = login(server, trust)
        connection, _ = await aio.connect(who, who.hello("listen"))
        await connection.log_out()

    asyncio.run(listen())


def test_straight_to_the_server(server: ThreadServer) -> None:
    """Its own port speaks HTTP, in TLS and without."""
    for scheme in ("https", "http"):
        exchange(Address(*server.address[:2], scheme))


@pytest.mark.skipif(own_address() is None, reason="this machine has no address of its own")
def test_plain_http_from_another_machine(tmp_path: Path) -> None:
    """A tunnel needs no TLS around it; whoever says lines in a WebSocket does."""
    host = own_address()
    assert host is not None
    with ThreadServer(tmp_path / "data", host=host) as server:
        exchange(Address(host, server.address.port, "http"))
        uri = WebSocketURI(secure=False, host=host, port=server.address.port, path="/-/ws", query="")
        protocol = ClientProtocol(uri)
        protocol.send_request(protocol.connect())
        heard: list[bytes] = []
        with socket.create_connection(server.address[:2], DEADLINE) as caller:
            while protocol.state is not State.CLOSING:
                caller.sendall(b"".join(protocol.data_to_send()))
                protocol.receive_data(caller.recv(65536))
                for event in protocol.events_received():
                    if isinstance(event, Frame):
                        heard.append(bytes(event.data))
                    elif isinstance(event, Response):
                        protocol.send_text(b'{"t":"hello"}')
        assert b"tls_required" in heard[0]


def test_plain_forwarder_with_a_path(server: ThreadServer) -> None:
    """The path is that of the forwarder, and its letters keep their case."""
    with Forwarder(server.address, path="/Chat") as forwarder:
        exchange(forwarder.address)
        assert forwarder.requests[-1].target == "/Chat/-/ws"
        assert "404" in str(failure(forwarder.address._replace(path="/chat")))


def test_pin(forwarder: Forwarder, server: ThreadServer) -> None:
    """The key is the server's, whatever certificate the forwarder has."""
    exchange(forwarder.address, Trust(server.hub.server_key))
    wrong = Trust("SHA256:" + "A" * 43)
    with pytest.raises(ServerNotTrusted, match="does not have the key that is pinned"):
        blocking.connect(login(forwarder.address, wrong), time.monotonic() + DEADLINE)


def test_no_authority_vouches(forwarder: Forwarder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """That of the forwarder does not, even if its certificate is good: it says nothing about the server."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "forwarder.crt"))
    with pytest.raises(ServerNotTrusted, match="is not known"):
        blocking.connect(login(forwarder.address, Trust()), time.monotonic() + DEADLINE)


def test_library(forwarder: Forwarder, server: ThreadServer) -> None:
    """A program sends, and receives what comes after the forwarder has dropped everything."""

    async def echo() -> list[str]:
        found = []
        async with chatcli.connect("bot", str(forwarder.address), pin=server.hub.server_key) as bot:
            await bot.send("ann", "here")
            async for message in bot:
                found.append(message.text)
                if len(found) == 6:
                    break
                if len(found) % 2:
                    forwarder.drop_all()
                await bot.reply(message, f"{message.text}!")
        return found

    with server.joined("ann") as ann:
        done: list[list[str]] = []
        thread = threading.Thread(target=lambda: done.append(asyncio.run(echo())))
        thread.start()
        assert ann.texts(1) == ["here"]
        for number in range(6):
            ann.sends("bot", f"{number}")
            ann.hears("sent")
            if number < 5:
                assert ann.texts(1) == [f"{number}!"]
        thread.join(DEADLINE)
    assert done == [[f"{number}" for number in range(6)]]


# Secrets


def test_header_for_a_gate(
    forwarder: Forwarder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is sent to whom an authority vouches for, and not into the log of the program."""
    caplog.set_level(logging.DEBUG)
    to_login = answer(302, "Found", "Location: https://login.test/")
    forwarder.answer = lambda request: None if request.get("X-Github-Token") == "abc:d" else to_login
    assert "to login.test" in str(failure(forwarder.address))
    monkeypatch.setenv(HEADER_VARIABLE, "X-Github-Token:  abc:d \n\nX-Other: 1\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "forwarder.crt"))
    exchange(forwarder.address)
    assert forwarder.requests[-1].get("X-Other") == "1"
    assert "abc:d" not in caplog.text


def test_header_is_for_nobody_else(forwarder: Forwarder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an authority's word, and over plain HTTP, nothing is sent."""
    monkeypatch.setenv(HEADER_VARIABLE, "X-Github-Token: secret")
    error = failure(forwarder.address)
    assert type(error) is ServerNotTrusted
    assert HEADER_VARIABLE in str(error)
    assert "certificate" in str(error)
    assert not forwarder.requests
    error = failure(Address("192.0.2.1", 80, "http"))
    assert type(error) is ServerNotTrusted
    assert "readable on the way" in str(error)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("X-Token", "line 1: that is no header"),
        ("A: b\nX Token: secret", "line 2: that is no header"),
        ("X: secret\x01", "line 1: that is no header"),
        ("X: sécret", "line 1: that is no header"),
        ("Host: secret", "line 1: chatcli sets Host itself"),
        ("\nsec-websocket-key: secret", "line 2: chatcli sets sec-websocket-key itself"),
    ],
)
def test_invalid_headers(monkeypatch: pytest.MonkeyPatch, text: str, sentence: str) -> None:
    """The sentence names the line, and no value."""
    monkeypatch.setenv(HEADER_VARIABLE, text)
    with pytest.raises(InputError, match=sentence) as caught:
        headers_in_environment()
    assert "cret" not in str(caught.value)


# Proxies


def test_proxy(forwarder: Forwarder, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks up the host, and gets the name and the password in its address."""
    with ConnectProxy({"chat.test": forwarder.address}, "al:p@ss word") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://al:p%40ss%20word@127.0.0.1:{proxy.port}/")
        exchange(forwarder.address._replace(host="chat.test"))
        assert proxy.requests[-1].method == "CONNECT"
        assert forwarder.requests[-1].get("Host") == f"chat.test:{forwarder.port}"


def test_proxy_in_tls(forwarder: Forwarder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A password is sent to a proxy for which an authority vouches; TLS goes through its TLS."""
    with ConnectProxy({"chat.test": forwarder.address}, "al:secret", tmp_path) as proxy:
        monkeypatch.setenv("https_proxy", f"https://al:secret@127.0.0.1:{proxy.port}")
        server = forwarder.address._replace(host="chat.test")
        error = failure(server)
        assert type(error) is ServerNotTrusted
        assert "what https_proxy holds must not go there" in str(error)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "proxy.crt"))
        exchange(server)


@pytest.mark.parametrize(
    ("person", "sentence"),
    [("", r"wants a name and a password \(407\)"), ("al:wrong@", r"refuses the name and the password in it \(407\)")],
)
def test_proxy_with_a_password(monkeypatch: pytest.MonkeyPatch, person: str, sentence: str) -> None:
    """The sentence says where it belongs, and does not show it."""
    with ConnectProxy({}, "al:right") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"{person}127.0.0.1:{proxy.port}")
        error = failure(parse_address("https://chat.test"))
    assert type(error) is ForeignAnswer
    assert "wrong" not in str(error)
    with pytest.raises(ForeignAnswer, match=rf"The proxy http://127\.0\.0\.1:\d+, which HTTPS_PROXY names, {sentence}"):
        raise error


@pytest.mark.parametrize(
    ("raw", "kind", "sentence"),
    [
        (None, ServerUnreachable, "does not reach https://chat.test (502 Bad Gateway)"),
        (answer(403, "Filtered"), ForeignAnswer, "lets nobody through to https://chat.test (403 Filtered)"),
        (b"HTT", HungUp, "broke the connection"),
        (b"\x05\xff", ForeignAnswer, "does not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\nHi", ForeignAnswer, "it speaks first"),
        (b"", HungUp, "broke the connection"),
    ],
)
def test_answers_of_proxies(
    monkeypatch: pytest.MonkeyPatch, raw: bytes | None, kind: type[ChatError], sentence: str
) -> None:
    """They are told apart from those of what is behind."""
    with ConnectProxy({}) as proxy:
        proxy.answer = raw
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        error = failure(parse_address("https://chat.test"))
    assert type(error) is kind
    assert sentence in str(error)


def test_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the variable."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{unused_port()}")
    error = failure(parse_address("https://chat.test"))
    assert type(error) is ServerUnreachable
    assert str(error).startswith("HTTPS_PROXY: Nothing answers at http://127.0.0.1:")


def test_silence_behind_a_proxy(forwarder: Forwarder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that has opened a connection is not at fault."""
    forwarder.is_silent = True
    with ConnectProxy({"chat.test": forwarder.address}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        server = forwarder.address._replace(host="chat.test")
        assert str(failure(server, 1.0)).startswith(f"{server} does not answer: ")


@pytest.mark.parametrize(
    "value",
    [
        "http://p?x",
        "http://http://p",
        "socks5://h:1",
        "http://",
        "http://al:secret@a..b:1",
        "http://h:99999",
        "h:secret",
    ],
)
def test_invalid_proxies(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """The sentence names the variable, and not what is in it."""
    monkeypatch.setenv("HTTPS_PROXY", value)
    error = failure(parse_address("https://chat.test"))
    assert type(error) is InputError
    assert "HTTPS_PROXY" in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("server", "exceptions", "is_direct"),
    [
        ("https://chat.test", "", False),
        ("https://chat.test", "chat.test", True),
        ("https://chat.test", "other, .TEST", True),
        ("https://chat.test", "*.test", True),
        ("https://chat.test", "at.test est", False),
        ("https://chat.test", "*", True),
        ("https://chat.test", "chat.test:443", True),
        ("https://chat.test", "chat.test:8443", False),
        ("https://10.1.2.3", "10.0.0.0/8", True),
        ("https://11.1.2.3", "10.0.0.0/8,x/y", False),
        ("https://[2001:db8::1]", "2001:db8::1", True),
        ("https://[2001:db8::1]", "[2001:db8::1]:443", True),
        ("https://[2001:db8::1]", "2001:db8::/32", True),
        ("https://[2001:db8::1]", "2001:DB8:0::1", True),
        ("https://[fe80::1%eth0]", "fe80::1", True),
        ("https://[fe80::1%eth0]", "fe80::1%eth0", True),
        ("https://bücher.test", "bücher.test", True),
        ("https://a.bücher.test", ".bücher.test", True),
        ("https://chat.test", "chat.test:" + "4" * 5000, False),
        ("https://0.0.0.0", "", True),
        ("https://127.0.0.1", "", True),
        ("https://localhost:8080", "", True),
        ("http://chat.test", "", True),
    ],
)
def test_no_proxy(monkeypatch: pytest.MonkeyPatch, server: str, exceptions: str, *, is_direct: bool) -> None:
    """Names, their ends, networks and ports are exceptions; this machine is one always."""
    monkeypatch.setenv("HTTPS_PROXY", "proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", exceptions)
    assert (proxy_for(parse_address(server)) is None) == is_direct


def test_variables_of_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small letters come first. A caller of a web server cannot name a proxy to its scripts."""
    monkeypatch.setenv("HTTP_PROXY", "one.test:1")
    server = parse_address("http://chat.test")
    assert str(proxy_for(server)) == "The proxy http://one.test:1, which HTTP_PROXY names,"
    monkeypatch.setenv("http_proxy", "two.test")
    assert str(proxy_for(server)) == "The proxy http://two.test, which http_proxy names,"
    monkeypatch.delenv("http_proxy")
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    assert proxy_for(server) is None


# Bytes


class Ends:
    """A pump between two sockets: the client's, and the network's with a WebSocket by hand."""

    def __init__(self) -> None:
        network, self.network = socket.socketpair()
        self.client, client = socket.socketpair()
        uri = WebSocketURI(secure=False, host="h", port=1, path="/", query="")
        self.pump = Pump(network, TlsLayers(), ClientProtocol(uri, state=State.OPEN), client)
        self.protocol = Protocol(SERVER, state=State.OPEN, max_size=None)
        self.client.settimeout(DEADLINE)
        self.network.settimeout(DEADLINE)
        self.pump.start([])

    def close(self) -> None:
        """Close both ends."""
        self.client.close()
        self.network.close()
        eventually(lambda: self.pump not in tunnel_pump._running, "the end of the pump")

    def frames(self) -> list[Frame]:
        """Return the next frames at the network's end; none once it was closed."""
        while data := self.network.recv(65536):
            self.protocol.receive_data(data)
            if found := [event for event in self.protocol.events_received() if isinstance(event, Frame)]:
                return found
        return []

    def say(self, function: Callable[..., None], *arguments: object) -> None:
        """Send a frame from the network's end."""
        function(*arguments)
        self.network.sendall(b"".join(self.protocol.data_to_send()))

    def read_all(self) -> bytes:
        """Return everything that the client gets."""
        parts = []
        while data := self.client.recv(65536):
            parts.append(data)
        return b"".join(parts)


@pytest.fixture(name="ends")
def both_ends() -> Iterator[Ends]:
    """Yield a pump, and both its ends."""
    ends = Ends()
    yield ends
    ends.close()


def test_bytes_and_last_words(ends: Ends) -> None:
    """All that the client has said before it closed its end arrives, and then a goodbye."""
    data = bytes(range(256)) * 10_000

    def speak() -> None:
        ends.client.sendall(data)
        ends.client.close()

    sending = threading.Thread(target=speak)
    sending.start()
    frames: list[Frame] = []
    while found := ends.frames():
        frames += found
    sending.join()
    assert b"".join(frame.data for frame in frames if frame.opcode is Opcode.BINARY) == data
    assert frames[-1].opcode is Opcode.CLOSE


def test_bytes_from_the_server(ends: Ends) -> None:
    """All that the server has said before it hung up arrives, in messages of any length."""
    ends.say(ends.protocol.send_binary, b"one ")
    ends.say(ends.protocol.send_binary, b"", False)
    ends.say(ends.protocol.send_continuation, b"two ", True)
    ends.say(ends.protocol.send_ping, b"?")
    ends.say(ends.protocol.send_binary, b"three")
    ends.network.shutdown(socket.SHUT_WR)
    assert ends.read_all() == b"one two three"


def test_goodbye_of_the_server(ends: Ends) -> None:
    """A WebSocket that is closed is the end of what the client reads."""
    ends.say(ends.protocol.send_binary, b"last words")
    ends.say(ends.protocol.send_close, 1001)
    assert ends.read_all() == b"last words"


@pytest.mark.parametrize("data", [b"\x81\x02hi", b"\x82\x82abcdhi", b"\xf2\x00", b"\x89\x7e\x01\x00" + bytes(256)])
def test_broken_rules(ends: Ends, data: bytes) -> None:
    """Text, masked frames, reserved bits and long pings end the tunnel: to the client, the connection broke."""
    ends.network.sendall(data)
    assert ends.read_all() == b""


def test_slow_readers(ends: Ends) -> None:
    """What nobody reads is not taken from the other side, in both directions."""
    frame = b"\x82\x7f" + (65536).to_bytes(8) + bytes(65536)
    for end, data in ((ends.client, bytes(65536)), (ends.network, frame)):
        end.settimeout(0.5)
        with pytest.raises(TimeoutError):
            end.sendall(data * 100)
    assert max(len(ends.pump._to_client), len(ends.pump._to_network)) < 1024 * 1024


def test_flood_of_pings(ends: Ends) -> None:
    """What is to be answered waits with the server, if it reads no answers."""

    def flood() -> None:
        for _ in range(60):
            ends.network.sendall((b"\x89\x7d" + bytes(125)) * 1000)

    ends.network.settimeout(0.5)
    with pytest.raises(TimeoutError):
        flood()
    assert len(ends.pump._to_network) < 2 * 1024 * 1024


def test_end_of_a_child(ends: Ends) -> None:
    """A forked process that ends leaves the tunnels of its parent alone."""
    child = os.fork()
    if not child:
        tunnel_pump._finish_all()
        os._exit(0)
    os.waitpid(child, 0)
    ends.say(ends.protocol.send_binary, b"still there?")
    assert ends.client.recv(65536) == b"still there?"


def test_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent client's tunnel stays open: a proxy would close what is idle."""
    monkeypatch.setattr(tunnel_pump, "_BETWEEN_PINGS", 0.05)
    ends = Ends()
    assert [ends.frames()[0].opcode, ends.frames()[0].opcode] == [Opcode.PING] * 2
    ends.client.sendall(b"x")
    while ends.frames()[-1].opcode is Opcode.PING:
        pass
    ends.close()


def test_idle_forwarders(forwarder: Forwarder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forwarder that closes what is idle lets a tunnel be, as pings come more often than that."""
    monkeypatch.setattr(tunnel_pump, "_BETWEEN_PINGS", 0.05)
    forwarder.idle = idle = 1.0

    async def be_silent() -> None:
        who = login(forwarder.address)
        connection, _ = await aio.connect(who, who.hello("listen"))
        await asyncio.sleep(2.5 * idle)
        connection.measure()
        while connection.state.round_trip is None:
            await connection.receive()
        await connection.log_out()

    asyncio.run(be_silent())
    assert len(forwarder.requests) == 1


@pytest.mark.parametrize(
    ("server", "place"),
    [
        ("https://chat.test", "chat.test:443"),
        ("http://chat.test:8080/chat", "chat.test:8080"),
        ("https://[2001:db8::1]", "[2001:db8::1]:443"),
        ("https://[fe80::1%eth0]:8443", "[fe80::1]:8443"),
    ],
)
def test_places_in_requests_and_sentences(server: str, place: str) -> None:
    """An IPv6 address has its brackets, and in what is sent no interface."""
    address = parse_address(server)
    request = connect_request(address, Proxy(parse_address("proxy.test"), "HTTPS_PROXY"))
    assert request.startswith(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n".encode())
    advised = re.search(r"--server (\S+), without", str(foreign_protocol(address)))
    assert advised is not None
    assert parse_address(advised[1]) == Address(address.host, address.port)


def test_end_of_the_program(ends: Ends) -> None:
    """What the client has said last is sent, although it has closed nothing."""
    ends.client.sendall(b"bye")
    ends.pump.finish(time.monotonic() + DEADLINE)
    frames = [*ends.frames(), *ends.frames()]
    assert frames[0].data == b"bye"
    assert frames[-1].opcode is Opcode.CLOSE
