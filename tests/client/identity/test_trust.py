"""The decision to trust a server, and its record."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatcli.client.identity.known_servers import KnownServers
from chatcli.client.identity.trust import CAUTIOUS, Ask, Trust, is_loopback
from chatcli.errors import ServerNotTrusted, UnknownServer
from chatcli.protocol.keys import Channel
from chatcli.protocol.values.address import Address

BOX = Address("box.example", 8080)
OLD, NEW = ("SHA256:" + digit * 42 + "A" for digit in "12")


class Person:
    """A user who answers questions."""

    def __init__(self, answer: bool) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def __call__(self, question: str) -> bool:
        """Record the question, and answer it."""
        self.asked.append(question)
        return self.answer


@pytest.fixture
def known(tmp_path: Path) -> KnownServers:
    """An empty file of known servers."""
    return KnownServers(str(tmp_path / "chatcli"))


def trust(known: KnownServers, pin: str | None = None, *, accept_new: bool = False, ask: Ask | None = None) -> Trust:
    """Return a trust that records keys in ``known``."""
    return Trust(pin, accept_new=accept_new, ask=ask, directory=str(Path(known.path).parent))


def check(trust: Trust, key: str = NEW, server: Address = BOX, *, vouched: bool = False) -> None:
    """Let the server show a key."""
    trust.check(server, Channel(key, bytes(32)), vouched=vouched)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.255.0.9", "::1", "0:0::1", "localhost", "LocalHost"])
def test_loopback_is_plain(host: str) -> None:
    """Loopback addresses and localhost need no TLS, unless a key is pinned."""
    assert is_loopback(host)
    assert CAUTIOUS.plain(Address(host, 1))
    assert not Trust(NEW).plain(Address(host, 1))
    assert not CAUTIOUS.plain(Address(host, 1, "https")), "the other end may be anywhere"


@pytest.mark.parametrize(
    "host",
    ["128.0.0.1", "0.0.0.0", "10.0.0.1", "::", "fe80::1%lo", "::2", "localhost.example", "127.0.0.1.example", "é"],
)
def test_other_addresses_need_tls(host: str) -> None:
    """An address that only looks like loopback needs TLS."""
    assert not is_loopback(host)
    assert not CAUTIOUS.plain(Address(host, 1))


def test_pinned_key(known: KnownServers) -> None:
    """It is trusted and recorded, so that the next connection needs no pin."""
    check(trust(known, NEW))
    assert [entry.key for entry in known.find(BOX)] == [NEW]
    check(trust(known))


def test_pin_outweighs_everything(known: KnownServers) -> None:
    """Neither the file, nor an authority, nor an option outweighs a pin; the error has both keys."""
    known.add(BOX, NEW)
    person = Person(answer=True)
    with pytest.raises(ServerNotTrusted, match="--pin") as refusal:
        check(trust(known, OLD, accept_new=True, ask=person), vouched=True)
    assert OLD in str(refusal.value)
    assert NEW in str(refusal.value)
    assert not person.asked


def test_known_key(known: KnownServers) -> None:
    """It is trusted without a question, and nothing more is recorded."""
    known.add(BOX, NEW)
    before = Path(known.path).read_text()
    for each in (trust(known), trust(known, NEW), trust(known, accept_new=True)):
        check(each)
    assert Path(known.path).read_text() == before


@pytest.mark.parametrize("vouched", [False, True])
@pytest.mark.parametrize("pin", [None, NEW])
def test_changed_key(known: KnownServers, pin: str | None, vouched: bool) -> None:
    """It is refused whatever else vouches for it, with both keys, what it may mean and the line to remove."""
    known.add(Address("other", 1), NEW)
    known.add(BOX, OLD)
    person = Person(answer=True)
    with pytest.raises(ServerNotTrusted) as refusal:
        check(trust(known, pin, accept_new=True, ask=person), vouched=vouched)
    for part in ("has changed", OLD, NEW, "in between", "installed anew", f"remove line 3 of {known.path}"):
        assert part in str(refusal.value)
    assert not person.asked


def test_two_known_keys(known: KnownServers) -> None:
    """Either is trusted, so that a key can be rotated; for a third the error names both lines."""
    known.add(BOX, OLD)
    known.add(BOX, NEW)
    check(trust(known), OLD)
    check(trust(known), NEW)
    with pytest.raises(ServerNotTrusted, match="line 2 and 3 of"):
        check(trust(known), "SHA256:" + "3" * 42 + "A")


def test_authority(known: KnownServers) -> None:
    """A server with a certificate of an authority needs no question, and is not recorded."""
    person = Person(answer=False)
    check(trust(known, ask=person), OLD, vouched=True)
    check(trust(known, accept_new=True), NEW, vouched=True)
    assert not person.asked
    assert known.find(BOX) == []


def test_accept_new(known: KnownServers) -> None:
    """The first key is recorded without a question, and another one later is refused."""
    check(trust(known, accept_new=True, ask=Person(answer=False)), OLD)
    with pytest.raises(ServerNotTrusted, match="has changed"):
        check(trust(known, accept_new=True), NEW)


def test_yes(known: KnownServers) -> None:
    """The user sees address and fingerprint once, and the key is recorded."""
    person = Person(answer=True)
    asking = trust(known, ask=person)
    with pytest.raises(UnknownServer) as unknown:
        check(asking)
    assert not person.asked
    asking.confirm(BOX, unknown.value)
    check(asking)
    (question,) = person.asked
    assert str(BOX) in question
    assert NEW in question


def test_no(known: KnownServers) -> None:
    """The key is refused, and nothing is recorded."""
    asking = trust(known, ask=Person(answer=False))
    with pytest.raises(UnknownServer) as unknown:
        check(asking)
    with pytest.raises(ServerNotTrusted, match="Nothing was sent"):
        asking.confirm(BOX, unknown.value)
    assert known.find(BOX) == []


def test_nobody_to_ask(known: KnownServers) -> None:
    """The sentence has the options to give."""
    with pytest.raises(ServerNotTrusted) as refusal:
        check(trust(known))
    assert not isinstance(refusal.value, UnknownServer)
    assert f"--pin {NEW}" in str(refusal.value)
    assert "--accept-new" in str(refusal.value)


def test_reconnect_accepts_no_new_key(known: KnownServers) -> None:
    """Only known keys count, also for a server that only an authority vouched for."""
    person = Person(answer=True)
    again = trust(known, accept_new=True, ask=person).without_prompt()
    check(again, OLD, vouched=True)
    with pytest.raises(ServerNotTrusted) as refusal:
        check(again, NEW)
    assert not isinstance(refusal.value, UnknownServer)
    with pytest.raises(ServerNotTrusted, match="--pin"):
        check(trust(known, OLD).without_prompt(), NEW)
    assert known.find(BOX) == []


def test_pin_on_loopback(known: KnownServers) -> None:
    """Only the pin counts, as a loopback address may be the end of a tunnel."""
    here = Address("127.0.0.1", 8080)
    known.add(here, OLD)
    check(trust(known, NEW), NEW, here)
    with pytest.raises(ServerNotTrusted, match="--pin"):
        check(trust(known, NEW), OLD, here)
    assert [entry.key for entry in known.find(here)] == [OLD]
