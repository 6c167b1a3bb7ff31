"""Whom to trust: the decision for each server, and what is written down of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatcli.client.identity.known_servers import KnownServers
from chatcli.client.identity.trust import CAUTIOUS, Ask, Trust, is_loopback
from chatcli.errors import ServerNotTrusted, UnknownServer
from chatcli.protocol.address import Address
from chatcli.protocol.keys import Channel

BOX = Address("box.example", 8080)
OLD, NEW = ("SHA256:" + digit * 42 + "A" for digit in "12")


class Person:
    """Someone to ask."""

    def __init__(self, answer: bool) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def __call__(self, question: str) -> bool:
        """Take the question."""
        self.asked.append(question)
        return self.answer


@pytest.fixture
def known(tmp_path: Path) -> KnownServers:
    """The known servers of a user who knows none."""
    return KnownServers(str(tmp_path / "chatcli"))


def trust(known: KnownServers, pin: str | None = None, *, accept_new: bool = False, ask: Ask | None = None) -> Trust:
    """Return a trust that writes down in ``known``."""
    return Trust(pin, accept_new=accept_new, ask=ask, directory=str(Path(known.path).parent))


def check(trust: Trust, key: str = NEW, server: Address = BOX, *, vouched: bool = False) -> None:
    """Let the server show a key."""
    trust.check(server, Channel(key, bytes(32)), vouched=vouched)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.255.0.9", "::1", "0:0::1", "localhost", "LocalHost"])
def test_this_machine_is_spoken_to_in_plain(host: str) -> None:
    """Loopback addresses and the name localhost need no TLS, unless a key is pinned."""
    assert is_loopback(host)
    assert CAUTIOUS.plain(Address(host, 1))
    assert not Trust(NEW).plain(Address(host, 1))


@pytest.mark.parametrize(
    "host",
    ["128.0.0.1", "0.0.0.0", "10.0.0.1", "::", "fe80::1%lo", "::2", "localhost.example", "127.0.0.1.example", "é"],
)
def test_every_other_address_needs_tls(host: str) -> None:
    """Whatever merely looks like this machine is not."""
    assert not is_loopback(host)
    assert not CAUTIOUS.plain(Address(host, 1))


def test_a_pinned_key_is_trusted_and_written_down(known: KnownServers) -> None:
    """The next connection needs no pin any more."""
    check(trust(known, NEW))
    assert [entry.key for entry in known.find(BOX)] == [NEW]
    check(trust(known))


def test_another_key_than_the_pinned_one_is_refused_whatever_else_speaks_for_it(known: KnownServers) -> None:
    """Neither the file, nor an authority, nor any option outweighs a pin; both keys are named."""
    known.add(BOX, NEW)
    person = Person(answer=True)
    with pytest.raises(ServerNotTrusted, match="--pin") as refusal:
        check(trust(known, OLD, accept_new=True, ask=person), vouched=True)
    assert OLD in str(refusal.value)
    assert NEW in str(refusal.value)
    assert not person.asked


def test_a_known_key_is_trusted(known: KnownServers) -> None:
    """Nobody is asked again, and nothing more is written."""
    known.add(BOX, NEW)
    before = Path(known.path).read_text()
    for each in (trust(known), trust(known, NEW), trust(known, accept_new=True)):
        check(each)
    assert Path(known.path).read_text() == before


@pytest.mark.parametrize("vouched", [False, True])
@pytest.mark.parametrize("pin", [None, NEW])
def test_a_changed_key_is_refused_whatever_else_speaks_for_it(
    known: KnownServers, pin: str | None, vouched: bool
) -> None:
    """The sentence names both keys, what it may mean, and the line to remove; nobody is asked."""
    known.add(Address("other", 1), NEW)
    known.add(BOX, OLD)
    person = Person(answer=True)
    with pytest.raises(ServerNotTrusted) as refusal:
        check(trust(known, pin, accept_new=True, ask=person), vouched=vouched)
    for part in ("has changed", OLD, NEW, "in between", "installed anew", f"remove line 3 of {known.path}"):
        assert part in str(refusal.value)
    assert not person.asked


def test_either_of_two_written_keys_will_do(known: KnownServers) -> None:
    """Someone who added the next key can connect before and after the change; with a third both lines are named."""
    known.add(BOX, OLD)
    known.add(BOX, NEW)
    check(trust(known), OLD)
    check(trust(known), NEW)
    with pytest.raises(ServerNotTrusted, match="line 2 and 3 of"):
        check(trust(known), "SHA256:" + "3" * 42 + "A")


def test_a_server_that_an_authority_vouches_for_needs_no_question(known: KnownServers) -> None:
    """It is not written down either: its key may change with its certificate."""
    person = Person(answer=False)
    check(trust(known, ask=person), OLD, vouched=True)
    check(trust(known, accept_new=True), NEW, vouched=True)
    assert not person.asked
    assert known.find(BOX) == []


def test_accept_new_takes_the_first_key_only(known: KnownServers) -> None:
    """It is written down without a question, and another one later is refused."""
    check(trust(known, accept_new=True, ask=Person(answer=False)), OLD)
    with pytest.raises(ServerNotTrusted, match="has changed"):
        check(trust(known, accept_new=True), NEW)


def test_yes_is_written_down(known: KnownServers) -> None:
    """The person sees the address and the fingerprint, once."""
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


def test_no_is_a_refusal(known: KnownServers) -> None:
    """Nothing is written down."""
    asking = trust(known, ask=Person(answer=False))
    with pytest.raises(UnknownServer) as unknown:
        check(asking)
    with pytest.raises(ServerNotTrusted, match="Nothing was sent"):
        asking.confirm(BOX, unknown.value)
    assert known.find(BOX) == []


def test_with_nobody_to_ask_there_are_remedies(known: KnownServers) -> None:
    """The sentence carries the options to give."""
    with pytest.raises(ServerNotTrusted) as refusal:
        check(trust(known))
    assert not isinstance(refusal.value, UnknownServer)
    assert f"--pin {NEW}" in str(refusal.value)
    assert "--accept-new" in str(refusal.value)


def test_connecting_again_accepts_no_new_key(known: KnownServers) -> None:
    """Only known keys are compared: a server that only an authority vouched for cannot become any other."""
    person = Person(answer=True)
    again = trust(known, accept_new=True, ask=person).without_prompt()
    check(again, OLD, vouched=True)
    with pytest.raises(ServerNotTrusted) as refusal:
        check(again, NEW)
    assert not isinstance(refusal.value, UnknownServer)
    with pytest.raises(ServerNotTrusted, match="--pin"):
        check(trust(known, OLD).without_prompt(), NEW)
    assert known.find(BOX) == []


def test_a_pin_counts_on_this_machine_too_and_is_all_that_does(known: KnownServers) -> None:
    """An address of this machine may be one end of a tunnel; who was there before says nothing."""
    here = Address("127.0.0.1", 8080)
    known.add(here, OLD)
    check(trust(known, NEW), NEW, here)
    with pytest.raises(ServerNotTrusted, match="--pin"):
        check(trust(known, NEW), OLD, here)
    assert [entry.key for entry in known.find(here)] == [OLD]
