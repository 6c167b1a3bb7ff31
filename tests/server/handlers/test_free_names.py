"""The name that is suggested in place of a taken one."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatcli.protocol.values.names import MAX_NAME, check_name
from chatcli.server.handlers import free_names
from chatcli.server.handlers.free_names import next_free_name
from chatcli.server.limits import Limits
from chatcli.store.batch import ignore
from chatcli.store.records import UserRecord
from tests.admin import does
from tests.support import ThreadServer, key_of


def refused(server: ThreadServer, name: str, purpose: str = "join", **hello: object) -> list[str]:
    """Return the names that somebody else is offered for a taken one."""
    with server.connect() as stranger:
        stranger.greets(name, key=key_of("stranger"), purpose=purpose, **hello)
        error = stranger.hears("error", code="name_taken")
        names: list[str] = error.get("names", [])
        assert all(f"choose another name, such as {free}" in error["text"] for free in names)
        assert names or "such as" not in error["text"]
        return names


def take(server: ThreadServer, *names: str) -> None:
    """Have names taken, each by its own key."""
    for name in names:
        with server.connect() as owner:
            owner.greets(name, key=key_of(f"owner of {name}"), purpose="send")
            owner.hears("welcome")


@pytest.mark.parametrize(
    ("taken", "asked", "free"),
    [
        (["codespace"], "codespace", "codespace-2"),
        (["codespace"], "CodeSpace", "CodeSpace-2"),
        (["codespace", "codespace-2"], "codespace", "codespace-3"),
        (["codespace", "codespace-2"], "codespace-2", "codespace-3"),
        (["codespace", "CODESPACE-2", "codespace-3"], "codespace", "codespace-4"),
        (["bob-2024"], "bob-2024", "bob-2025"),
        (["bob-9999"], "bob-9999", "bob-10000"),
        (["bob-10000"], "bob-10000", "bob-10000-2"),
        (["bob-0"], "bob-0", "bob-0-2"),
        (["bob2"], "bob2", "bob2-2"),
        (["b-2-2"], "b-2-2", "b-2-3"),
        (["דוד"], "דוד", "דוד-2"),
        (["Ζωή"], "ζωή", "ζωή-2"),
        # at the longest that a name may be
        (["x" * MAX_NAME], "x" * MAX_NAME, "x" * (MAX_NAME - 2) + "-2"),
        ([f"{'x' * (MAX_NAME - 2)}-9"], f"{'x' * (MAX_NAME - 2)}-9", f"{'x' * (MAX_NAME - 3)}-10"),
        # names that look like it
        (["bib", "bib-l"], "bib", "bib-2"),
        (["bob-10", "bob-ll"], "bob-10", "bob-12"),
    ],
)
def test_next_free_name(server: ThreadServer, taken: list[str], asked: str, free: str) -> None:
    """It has the next number that nobody has, in the spelling that was asked for."""
    take(server, *taken)
    assert refused(server, asked) == [free]
    take(server, free)


@pytest.mark.parametrize("purpose", ["join", "listen", "send"])
def test_for_every_purpose_that_takes_a_name(server: ThreadServer, purpose: str) -> None:
    """Those who only ask take none, and are offered none."""
    take(server, "bob")
    assert refused(server, "bob", purpose) == ["bob-2"]
    assert refused(server, "bob", "query") == []


def test_names_about_which_something_is_decided(server: ThreadServer) -> None:
    """A name that is banned, muted, an operator's, kept for somebody with a code or released is left out."""
    take(server, "bob", "bob-6")

    def decide() -> None:
        for number, kind in ((2, "ban"), (3, "mute"), (4, "operator")):
            server.hub.moderation.impose(kind, f"bob-{number}")  # type: ignore[arg-type]  # literals
        server.hub.recoveries.issue("bob-5", 60, keep=False, on_outcome=ignore)
        server.hub.names._freed.add("bob-7")

    server.run(decide)
    assert refused(server, "bob") == ["bob-8"]


def test_a_name_for_programs(server: ThreadServer) -> None:
    """It is taken, too."""
    does(server.data, "token", to="grafana", scope="send")
    assert refused(server, "grafana") == ["grafana-2"]


def test_no_name_of_an_operator(server: ThreadServer) -> None:
    """Nobody new may have one with a number, either."""
    code = server.run(lambda: server.hub.recoveries.issue("admin", 60, keep=False, on_outcome=ignore))
    with server.connect() as owner:
        owner.greets("admin", purpose="send", link=code)
        owner.hears("welcome")
    assert refused(server, "admin") == []


def test_only_the_invited_are_offered_one(tmp_path: Path) -> None:
    """Whoever has no invitation could not take it; guesses count as everywhere."""
    with ThreadServer(tmp_path, Limits(access="invite", exempt_loopback=False, proofs=3)) as server:
        code = server.run(lambda: server.hub.moderation.invite(2, 60))
        take_invited(server, "bob", code)
        assert refused(server, "bob") == []
        assert refused(server, "bob", invite=code) == ["bob-2"]
        for _ in range(3):
            assert refused(server, "bob", invite="wrong") == []
        with server.connect() as stranger:
            stranger.greets("bob", key=key_of("stranger"), invite=code)
            stranger.hears("error", code="too_many")


def take_invited(server: ThreadServer, name: str, code: str) -> None:
    """Have a name taken by somebody with an invitation."""
    with server.connect() as owner:
        owner.greets(name, purpose="send", invite=code)
        owner.hears("welcome")


def test_many_taken_names(server: ThreadServer) -> None:
    """The first free one is found among hundreds."""
    stem = "\N{GREEK SMALL LETTER ALPHA}" * 20

    def fill() -> None:
        for number in range(2, 900):
            name = f"{stem}-{number}"
            server.hub.users.add(UserRecord(id=number, name=name, key=name, look=name, created=0, received=0))

    server.run(fill)
    assert server.run(lambda: next_free_name(server.hub, check_name(stem))) == f"{stem}-900"


def test_no_name_without_end() -> None:
    """If all numbers are taken, there is no suggestion."""
    assert free_names._first_free(2, lambda number: number > 2000) is None
    assert free_names._first_free(2, lambda number: number > 999) == 1000


@pytest.mark.parametrize("free", [*range(2, 40), 63, 64, 65, 512, 900, 5000])
def test_each_number_is_found_soon(free: int) -> None:
    """The first that is free, wherever it is; about twenty are looked at."""
    looked_at: list[int] = []

    def is_free(number: int) -> bool:
        looked_at.append(number)
        return number >= free

    found = free_names._first_free(2, is_free)
    assert found == (free if free <= 1025 else None)
    assert len(looked_at) <= 22
