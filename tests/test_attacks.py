"""The attacker's view: with real servers and clients, everything that would make them someone else fails."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from pathlib import Path
from typing import Self

import pytest

from chatcli.client import oneshot
from chatcli.client.trust import Trust
from chatcli.errors import ChatError, Refused, ServerNotTrusted
from chatcli.protocol.address import Address
from chatcli.protocol.frames import Send
from tests.certificates import make
from tests.support import DEADLINE, OWN, ThreadServer, eventually, key_of, new_id, trusting


class Relay:
    """A man in the middle with a certificate of his own: passes on every line that he can read, both ways.

    Args:
        server: the real server.
        certificate: what he knows the real server by.
        files: his own certificate and key.
        claims: what he says his key is, in challenges that he passes on; the server's words, where there is none.
    """

    def __init__(self, server: Address, certificate: Path, files: tuple[Path, Path], claims: str = "") -> None:
        self._server = server
        self._certificate = certificate
        self._claims = claims
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*files)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(DEADLINE)
        self.address = Address("127.0.0.1", self._listener.getsockname()[1])
        self.heard: list[str] = []
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with contextlib.suppress(OSError), self._listener.accept()[0] as caller:
            victim = self._context.wrap_socket(caller, server_side=True)
            server = trusting(self._certificate).wrap_socket(
                socket.create_connection(self._server, DEADLINE), server_hostname="127.0.0.1"
            )
            back = threading.Thread(target=self._pass_on, args=(server, victim))
            back.start()
            self._pass_on(victim, server)
            back.join()

    def _pass_on(self, source: ssl.SSLSocket, sink: ssl.SSLSocket) -> None:
        with contextlib.suppress(OSError, ValueError), source.makefile("rb") as lines:
            for line in lines:
                frame = json.loads(line)
                self.heard.append(frame["t"])
                if frame["t"] == "challenge" and self._claims:
                    frame["key"] = self._claims
                sink.sendall(json.dumps(frame).encode() + b"\n")
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._thread.join(DEADLINE)


@pytest.mark.parametrize("lying", [False, True])
def test_a_challenge_cannot_be_relayed(server: ThreadServer, tmp_path: Path, lying: bool) -> None:
    """Even a victim who trusts the man in the middle proves nothing to the real server: the proof is of his channel."""
    files = make(tmp_path, "middle")
    own = fingerprint_of(files[0])
    with Relay(server.address, server.certificate, files, own if lying else "") as relay:
        trust = Trust(own)  # the victim was told the wrong fingerprint, or said yes to it
        with pytest.raises(ChatError) as error:
            oneshot.request(relay.address, "alice", Send(new_id(), "alice", "hi"), trust, OWN)
    if lying:
        assert isinstance(error.value, Refused)
        assert error.value.code == "bad_proof"
        assert "prove" in relay.heard
    else:
        assert isinstance(error.value, ServerNotTrusted)
        assert "prove" not in relay.heard
    assert server.run(lambda: server.hub.directory.find("alice")) is None


def fingerprint_of(certificate: Path) -> str:
    """Return the fingerprint of a certificate's key, with the library alone."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from chatcli.protocol.keys import fingerprint

    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    return fingerprint(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def test_a_pin_keeps_the_victim_from_the_man_in_the_middle(server: ThreadServer, tmp_path: Path) -> None:
    """Whoever pins the real server's key says nothing to another one."""
    with Relay(server.address, server.certificate, make(tmp_path, "middle")) as relay:
        with pytest.raises(ServerNotTrusted, match="--pin"):
            oneshot.send(relay.address, "alice", "alice", "secret", Trust(server.run(lambda: server.hub.server_key)))
    assert relay.heard == []


def test_an_owned_name_cannot_be_had_by_any_purpose_or_spelling(server: ThreadServer) -> None:
    """Another key gets nowhere with the name, nor with one that looks like it, nor with one that hides something."""
    with server.joined("alice") as alice:
        for name, code in (
            ("alice", "name_taken"),
            ("ALICE", "name_taken"),
            ("ａｌｉｃｅ", "name_taken"),
            ("аlice", "bad_name"),
            ("alice\x1b[8m", "bad_name"),
            ("alice\u200b", "bad_name"),
            ("\u202ealice", "bad_name"),
        ):
            for purpose in ("join", "listen", "send", "query"):
                with server.connect() as thief:
                    thief.greets(name, key=key_of("thief"), purpose=purpose)
                    thief.hears("error", code=code)
        assert alice.asks_who() == ["alice"]


def test_handshakes_that_are_never_finished_hold_up_nobody(server: ThreadServer) -> None:
    """Hundreds of callers stop in the middle of TLS or of the proof; a conversation goes on."""
    callers = [server.connect() for _ in range(200)]
    for number, caller in enumerate(callers):
        if number % 2:
            caller.says_raw(b"\x16\x03\x01\x02\x00\x01\x00")
        else:
            caller.says("hello", version=1, user=f"half{number}", key="A" * 43)
    with server.joined("alice", tls=True) as alice, server.joined("bob") as bob:
        for number in range(50):
            bob.sends("alice", f"{number}")
            bob.hears("sent", outcome="delivered")
        assert len(alice.texts(50)) == 50
    for caller in callers:
        caller.hang_up()
    eventually(lambda: server.run(lambda: not server.hub.sessions))
