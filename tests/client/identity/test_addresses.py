"""A server at several addresses: its data is found at each, and a later server at one of them gets none."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatcli.client.feed.cursor import Position
from chatcli.client.feed.listener import open_cursor
from chatcli.client.identity import addresses
from chatcli.client.identity.credentials import Login, Server
from chatcli.client.identity.known_servers import KnownServers
from chatcli.client.identity.trust import Trust
from chatcli.client.outbox.flush import store_messages
from chatcli.client.outbox.store import Outbox, read_all
from chatcli.client.storage import files, roster, unread
from chatcli.client.storage.drafts import Drafts
from chatcli.client.tui.input.history import FileHistory
from chatcli.errors import ServerNotTrusted, UnknownServer
from chatcli.protocol.frames import Send
from chatcli.protocol.keys import Channel
from chatcli.protocol.values.address import Address, other_spellings, parse_address
from tests.support import OWN, new_id

OLD, NEW, OTHER = (Address(host, 8080) for host in ("old.example", "new.example", "other.example"))
KEY, ANOTHER = ("SHA256:" + digit * 42 + "A" for digit in "12")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory for this test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "state" / "chatcli"


def keep_all(server: Address) -> None:
    """Store data of each kind."""
    roster.update(server, "alice", lambda known: known.add_person("bob", "here"))
    unread.store(server, "alice", 3)
    drafts = Drafts(server, "alice")
    drafts.save({"bob": "half a line"})
    history(server).store_string("a line")
    store_messages(server, "alice", [Send(new_id(), "bob", "hi")])
    for name in (None, "lamp"):
        cursor = open_cursor(login(server), name)
        assert cursor is not None
        cursor.write(Position(seq=7, delivered=7))
        cursor.close()


def history(server: Address) -> FileHistory:
    """Return the input history of an address."""
    return FileHistory(server, lambda error: pytest.fail(str(error)))


def login(server: Address) -> Login:
    """Return the address of the listener."""
    return Login(server=Server.at(server), user="alice", trust=Trust(), identity=OWN)


def kept(server: Address) -> set[str]:
    """Return the kinds of data that are found there."""
    found = {
        "roster": bool(roster.load(server, "alice").people()),
        "drafts": Drafts(server, "alice").load() == {"bob": "half a line"},
        "history": list(history(server).load_history_strings()) == ["a line"],
    }
    try:
        found["unread"] = unread.load(server, "alice") == 3
    except unread.NotCached:
        found["unread"] = False
    box = Outbox(files.outbox_directory(), server, "alice")
    found["outbox"] = [message.text for message in box.waiting] == ["hi"]
    box.close()
    for name in (None, "lamp"):
        cursor = open_cursor(login(server), name)
        assert cursor is not None
        found[f"cursor {name}"] = cursor.position == Position(seq=7, delivered=7)
        cursor.close()
    return {kind for kind, there in found.items() if there}


ALL = {"roster", "drafts", "history", "unread", "outbox", "cursor None", "cursor lamp"}


@pytest.mark.parametrize("written", ["OLD.Example", "old.example.", "old.example:8080", "Old.example.:08080"])
def test_one_server_per_spelling(written: str) -> None:
    """Upper case, a final dot and the default port make no other server."""
    keep_all(OLD)
    assert kept(parse_address(written)) == ALL


@pytest.mark.parametrize("server", [OLD, Address("::1", 7), Address("xn--mnchen-3ya.example", 7)])
def test_files_of_another_spelling(server: Address, state: Path) -> None:
    """Files named after another spelling by an older version are found and renamed."""
    spelled = other_spellings(server)[0]
    written = str(spelled).lower()
    keep_all(server)
    for path in sorted(state.rglob("*")):
        if path.is_file():
            path.rename(path.with_name(_older_name(path, server, written)))
    assert kept(server) == ALL
    assert kept(server) == ALL


def _older_name(path: Path, server: Address, written: str) -> str:
    """Return the name that an older chatcli gave to a file of alice's."""
    match path.parent.name:
        case "drafts":
            return f"{files.file_name(written, 'alice')}.json"
        case "history":
            return files.file_name(written)
        case "outbox":
            return files.file_name(written, "alice") + "." + path.name.partition(".")[2]
        case "cursors":
            own = path.name.endswith(files.file_name("alice", "own"))
            return files.file_name(written, "alice", *(("own",) if own else ("as", "lamp")))
        case _:
            from chatcli.client.storage.cache import _file_name

            return _file_name(written, "alice")


def show(server: Address, key: str, trust: Trust) -> None:
    """Let a server show a key."""
    trust.check(server, Channel(key, bytes(32)), vouched=False)


def test_moved_server_is_confirmed_once() -> None:
    """The question names the old address; then everything is found at both."""
    show(OLD, KEY, Trust(accept_new=True))
    keep_all(OLD)
    asked: list[str] = []

    def yes(question: str) -> bool:
        asked.append(question)
        return True

    asking = Trust(ask=yes)
    with pytest.raises(UnknownServer) as unknown:
        show(NEW, KEY, asking)
    assert kept(NEW) & {"outbox", "drafts"} == set()
    asking.confirm(NEW, unknown.value)
    assert "old.example:8080" in asked[0]
    assert "same server at another address" in asked[0]
    show(NEW, KEY, Trust())
    assert kept(NEW) == kept(OLD) == ALL
    assert [entry.server for entry in read_all(files.outbox_directory())] == [str(NEW)]


def test_moved_server_without_a_terminal() -> None:
    """The sentence has the command that accepts the proven move, and accepting is reported."""
    show(OLD, KEY, Trust(accept_new=True))
    with pytest.raises(ServerNotTrusted) as refusal:
        show(NEW, KEY, Trust())
    assert "old.example:8080, which you know" in str(refusal.value)
    assert "chatcli who --server new.example:8080 --accept-new" in str(refusal.value)
    keep_all(OLD)
    show(NEW, KEY, Trust(accept_new=True))
    assert kept(NEW) == ALL


def test_messages_for_the_new_address() -> None:
    """A message from before the first contact is sent with those of the old address."""
    show(OLD, KEY, Trust(accept_new=True))
    store_messages(OLD, "alice", [Send(new_id(), "bob", "first")])
    store_messages(NEW, "alice", [Send(new_id(), "bob", "second")])
    show(NEW, KEY, Trust(accept_new=True))
    box = Outbox(files.outbox_directory(), NEW, "alice")
    assert [message.text for message in box.waiting] == ["first", "second"]
    box.close()


def test_another_server_at_the_old_address() -> None:
    """Stored data stays with the key; the new server starts with none."""
    show(OLD, KEY, Trust(accept_new=True))
    keep_all(OLD)
    show(NEW, KEY, Trust(accept_new=True))
    known = KnownServers(files.config_directory())
    known.remove(OLD)
    show(OLD, ANOTHER, Trust(accept_new=True))
    assert kept(OLD) == set()
    assert kept(NEW) == ALL
    store_messages(OLD, "alice", [Send(new_id(), "bob", "to the newcomer")])
    assert {entry.server for entry in read_all(files.outbox_directory())} == {str(OLD), str(NEW)}
    assert kept(NEW) == ALL


def test_rotated_key_at_the_new_address() -> None:
    """A rotated key at the newest address belongs to the same server."""
    show(OLD, KEY, Trust(accept_new=True))
    keep_all(OLD)
    show(NEW, KEY, Trust(accept_new=True))
    KnownServers(files.config_directory()).remove(NEW)
    show(NEW, ANOTHER, Trust(accept_new=True))
    assert kept(NEW) == ALL


def test_second_move() -> None:
    """Data follows again, under the name of the first address."""
    show(OLD, KEY, Trust(accept_new=True))
    keep_all(OLD)
    for server in (NEW, OTHER):
        show(server, KEY, Trust(accept_new=True))
    assert addresses.addresses_of(OLD) == [OLD, NEW, OTHER]
    assert kept(OTHER) == ALL
