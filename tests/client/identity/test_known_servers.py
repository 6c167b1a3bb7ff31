"""The file of known servers, which users may edit."""

from __future__ import annotations

import concurrent.futures
import stat
from pathlib import Path

import pytest

from chatcli.client.identity.known_servers import Entry, KnownServers
from chatcli.errors import InputError
from chatcli.protocol.values.address import Address

ONE = "SHA256:" + "1" * 42 + "A"
TWO = "SHA256:" + "2" * 42 + "A"
BOX = Address("box.example", 8080)


@pytest.fixture
def known(tmp_path: Path) -> KnownServers:
    """A file that does not exist yet."""
    return KnownServers(str(tmp_path / "chatcli"))


def written(known: KnownServers, text: str) -> None:
    """Write the file by hand."""
    path = Path(known.path)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(0o600)
    path.write_text(text)


def test_no_file(known: KnownServers) -> None:
    """Nobody is known, and looking makes no file."""
    assert known.find(BOX) == []
    assert not Path(known.path).exists()


def test_lookup(known: KnownServers) -> None:
    """A server is found by host and port, in any case; the entry has its line number."""
    known.add(Address("Box.Example", 8080), ONE)
    known.add(Address("fe80::A%eth0", 8080), TWO)
    assert known.find(BOX) == known.find(Address("BOX.example", 8080)) == [Entry(ONE, 2)]
    assert known.find(Address("fe80::a%eth0", 8080)) == [Entry(TWO, 3)]
    assert known.find(Address("box.example", 8081)) == []
    assert Path(known.path).read_text().splitlines()[1:] == [f"box.example:8080 {ONE}", f"[fe80::a%eth0]:8080 {TWO}"]
    assert stat.S_IMODE(Path(known.path).stat().st_mode) == 0o600


def test_comments_and_blank_lines(known: KnownServers) -> None:
    """They are kept, and counted in line numbers."""
    text = f"# mine\n\n  # more\n\tBOX.example:8080\t{ONE}  \n"
    written(known, text)
    known.add(Address("::1", 1), TWO)
    assert known.find(BOX) == [Entry(ONE, 4)]
    assert Path(known.path).read_text() == f"{text}[::1]:1 {TWO}\n"


def test_server_with_two_keys(known: KnownServers) -> None:
    """Both keys are known, so that an operator can announce the next one."""
    known.add(BOX, ONE)
    known.add(BOX, TWO)
    assert [entry.key for entry in known.find(BOX)] == [ONE, TWO]


@pytest.mark.parametrize("line", ["box.example:8080", f"box.example:8080 {ONE[:-1]}", f"a b {ONE}", "x y\ufffd", ONE])
def test_damaged_line(known: KnownServers, line: str) -> None:
    """It is refused with its number instead of a new question."""
    written(known, f"# mine\n{line}\n")
    with pytest.raises(InputError, match=f"Line 2 of {known.path} is not"):
        known.find(BOX)


def test_writable_by_others(known: KnownServers) -> None:
    """A file that others may change is refused."""
    known.add(BOX, ONE)
    Path(known.path).chmod(0o666)
    for use in (lambda: known.find(BOX), lambda: known.add(BOX, TWO)):
        with pytest.raises(InputError, match="chmod 600"):
            use()


def test_concurrent_additions(known: KnownServers) -> None:
    """Twenty concurrent writers lose no line."""
    servers = [Address("box", port) for port in range(1, 21)]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda server: known.add(server, ONE), servers))
    assert all(known.find(server) for server in servers)
    assert len(Path(known.path).read_text().splitlines()) == 21
