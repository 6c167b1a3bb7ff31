"""The attacker's view: with real servers and clients, all attempts to become another user fail."""

from __future__ import annotations

import contextlib
import hmac
import json
import socket
import sqlite3
import ssl
import threading
from pathlib import Path
from typing import Self

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from chatcli.client.identity.credentials import Login, Server
from chatcli.client.identity.trust import Trust
from chatcli.client.oneshot.client import Client
from chatcli.errors import ChatError, Refused, ServerNotTrusted
from chatcli.protocol.values.address import Address
from tests.certificates import make
from tests.support import DEADLINE, OWN, ThreadServer, chatcli, eventually, key_of, trusting


class Relay:
    """A man in the middle with a certificate of his own, who forwards each line in both directions.

    Args:
        server: the real server.
        certificate: the real server's certificate.
        files: his own certificate and key.
        claims: the fingerprint that he puts into forwarded challenges; without one they are unchanged.
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
                socket.create_connection(self._server[:2], DEADLINE), server_hostname="127.0.0.1"
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
def test_relayed_challenge(server: ThreadServer, tmp_path: Path, lying: bool) -> None:
    """A man in the middle whom the victim trusts gains no proof for the real server: it is bound to his channel."""
    files = make(tmp_path, "middle")
    own = fingerprint_of(files[0])
    with Relay(server.address, server.certificate, files, own if lying else "") as relay:
        trust = Trust(own)  # the victim has accepted the wrong fingerprint
        with pytest.raises(ChatError) as error:
            Client(Login(server=Server.at(relay.address), user="alice", trust=trust, identity=OWN)).send("alice", "hi")
    if lying:
        assert isinstance(error.value, Refused)
        assert error.value.code == "bad_proof"
        assert "prove" in relay.heard
    else:
        assert isinstance(error.value, ServerNotTrusted)
        assert "prove" not in relay.heard
    assert server.run(lambda: server.hub.users.find("alice")) is None


def fingerprint_of(certificate: Path) -> str:
    """Return the fingerprint of a certificate's key, with the library alone."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from chatcli.protocol.keys import fingerprint

    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    return fingerprint(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def test_pin_stops_man_in_the_middle(server: ThreadServer, tmp_path: Path) -> None:
    """A client that pins the real server's key sends nothing to another one."""
    with Relay(server.address, server.certificate, make(tmp_path, "middle")) as relay:
        trust = Trust(server.run(lambda: server.hub.server_key))
        with pytest.raises(ServerNotTrusted, match="--pin"):
            Client(Login(server=Server.at(relay.address), user="alice", trust=trust)).send("alice", "secret")
    assert relay.heard == []


def test_owned_name_cannot_be_taken(server: ThreadServer) -> None:
    """Another key gets neither the name, nor a lookalike, nor one with hidden characters, for any purpose."""
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


def test_unfinished_handshakes(server: ThreadServer) -> None:
    """Hundreds of callers stop in the middle of TLS or of the proof, and a conversation goes on."""
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
    eventually(lambda: server.run(lambda: not server.hub.connections))


class RecordWriter:
    """A TLS 1.3 caller that encrypts its records itself, so that it can send what no library would (RFC 8446)."""

    def __init__(self, address: Address, folder: Path) -> None:
        secrets = folder / "secrets"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.keylog_filename = str(secrets)
        self._connection = context.wrap_socket(socket.create_connection(address[:2], DEADLINE))
        (line,) = (line for line in secrets.read_text().splitlines() if line.startswith("CLIENT_TRAFFIC_SECRET_0"))
        cipher = self._connection.cipher()
        assert cipher is not None
        digest = "sha384" if "384" in cipher[0] else "sha256"
        secret = bytes.fromhex(line.split()[2])
        key = _expand(secret, b"key", 16 if "128" in cipher[0] else 32, digest)
        self._aead = (ChaCha20Poly1305 if "CHACHA" in cipher[0] else AESGCM)(key)
        self._nonce = _expand(secret, b"iv", 12, digest)
        self._number = 0

    def record(self, data: bytes, kind: int = 23) -> bytes:
        """Return one record, by default of application data."""
        inner = data + bytes([kind])
        header = b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
        nonce = bytes(a ^ b for a, b in zip(self._nonce, self._number.to_bytes(12, "big"), strict=True))
        self._number += 1
        return header + self._aead.encrypt(nonce, inner, header)

    def send(self, *records: bytes) -> None:
        """Send records in one write."""
        socket.socket.sendall(self._connection, b"".join(records))

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def _expand(secret: bytes, label: bytes, length: int, digest: str) -> bytes:
    """HKDF-Expand-Label with an empty context, for one block (RFC 8446, section 7.1)."""
    info = length.to_bytes(2, "big") + bytes([len(label) + 6]) + b"tls13 " + label + b"\0"
    return hmac.digest(secret, info + b"\1", digest)[:length]


def test_tls_stopped_in_a_message(server: ThreadServer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A caller who brings TLS into a state in which nothing can be sent loses the connection; no one else does."""
    with server.joined("bob") as bob, server.joined("carol") as carol:
        caller = RecordWriter(server.address, tmp_path)
        caller.send(
            caller.record(b'{"t":"hello","version":1,"purpose":"query"}\n{"t":"ping"}\n'),
            caller.record(b"\x18\x00\x00\x01", kind=22),  # a key update, without its body
        )
        for number in range(20):
            bob.sends("carol", f"{number}")
            bob.hears("sent", outcome="delivered")
        assert len(carol.texts(20)) == 20
        eventually(lambda: server.run(lambda: len(server.hub.connections)) == 2)
        caller.close()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.usefixtures("impatient")
def test_link_not_written(server: ThreadServer, tmp_path: Path) -> None:
    """While the database is locked, no device is linked or revoked: it is refused, and the owner keeps the name."""
    with server.joined("alice") as alice:
        alice.says("link", n=1)
        code = alice.hears("link", n=1)["code"]
        with contextlib.closing(sqlite3.connect(tmp_path / "data" / "chatcli.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with server.connect() as phone, server.connect() as again:
                for caller in (phone, again):
                    caller.greets("alice", key=key_of("phone"), link=code, purpose="listen")
                alice.says("revoke", key=OWN.fingerprint, n=2)
                alice.hears("error", code="not_allowed", n=2)
                phone.hears("bye", code="storage")
                again.hears("bye", code="storage")
        alice.says("keys", n=3)
        assert [key["fingerprint"] for key in alice.hears("keys", n=3)["keys"]] == [OWN.fingerprint]
    with server.connect() as thief:
        thief.greets("alice", key=key_of("thief"), purpose="listen")
        thief.hears("error", code="name_taken")


def test_code_not_spent_without_a_seat(server: ThreadServer) -> None:
    """A device that is refused because its owner is connected may use its code again, beside the owner."""
    with server.joined("alice") as alice:
        alice.says("link", n=1)
        code = alice.hears("link", n=1)["code"]
        with server.connect() as phone:
            phone.greets("alice", key=key_of("phone"), link=code)
            phone.hears("error", code="already_here")
            phone.greets("alice", key=key_of("phone"), link=code, present="attach")
            phone.hears("welcome")
            assert phone.asks_who() == ["alice"]


def test_ban_voids_codes(server: ThreadServer) -> None:
    """A banned key's device codes let nobody in."""
    with server.joined("alice") as alice, server.joined("boss-to-be"):
        alice.says("link", n=1)
        code = alice.hears("link", n=1)["code"]
        done = chatcli("admin", "ban", OWN.fingerprint, "--data", str(server.data))
        assert done.returncode == 0
    with server.connect() as thief:
        thief.greets("alice", key=key_of("fresh"), link=code)
        thief.hears("error", code="bad_code")
