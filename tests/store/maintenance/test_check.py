"""Checks of the log: everything that a bad disk or a manual change breaks is found."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import get_args

import pytest

from chatcli.protocol.frames import Scope
from chatcli.store.maintenance.check import examine
from tests.store.conftest import open_sqlite
from tests.store.owner import OpenLog, Owner
from tests.store.people import ANN, BOB, entry
from tests.store.town import change, settle, spoil

ADD = "INSERT INTO tokens VALUES"


@pytest.fixture
def store(data: Path) -> OpenLog:
    """Open the SQLite store only."""
    return partial(open_sqlite, data)


@pytest.fixture
def town(chat: Owner) -> Owner:
    """Open a log with a little of everything."""
    settle(chat)
    return chat


def findings(data: Path) -> list[str]:
    """Return the findings of a check."""
    return [finding for examined in examine(data) for finding in examined.findings]


def test_whole_log(town: Owner, data: Path) -> None:
    """While it is open and once it is closed; nothing in it is changed."""
    assert findings(data) == []
    assert town.write(entry(ANN, BOB)).error is None
    town.log.close()
    before = (data / "chatcli.db").read_bytes()
    assert findings(data) == []
    assert (data / "chatcli.db").read_bytes() == before


@pytest.mark.parametrize(
    ("script", "finding"),
    [
        ("DELETE FROM users WHERE id = 3", "whose users is missing"),
        ("DELETE FROM conversations WHERE id = -1", "room -1 is incomplete"),
        ("DELETE FROM rooms WHERE id = -2", "room -2 is incomplete"),
        ("DELETE FROM members WHERE user = 2 AND conversation = 1", "conversation 1 of the users 1 and 2 does not"),
        (
            "INSERT INTO members (user, conversation) VALUES (3, 1)",
            "conversation 1 of two users has user 3 as a member",
        ),
        ("UPDATE messages SET sender = 3 WHERE seq = 3", "message 3 is from user 3, who is not in conversation 1"),
        ("UPDATE messages SET re = 2 WHERE seq = 2", "message 2 answers message 2"),
        ("INSERT INTO answers VALUES (5, 4)", "message 4 is the answer to message 5"),
        ("INSERT INTO answers VALUES (77, 78)", "message 78 is the answer to message 77, which is missing"),
        ("UPDATE messages SET id = x'07' WHERE seq = 2", "the id of message 2 has 1 bytes"),
        ("UPDATE keys SET key = x'07'", 'a key of "Ann" has 1 bytes'),
        ("UPDATE members SET since = 9 WHERE until = 4", "user 2 left room -1 before they entered it"),
        ("INSERT INTO members (user, conversation, since) VALUES (2, -1, 7)", "user 2 is in conversation -1 2 times"),
        ("UPDATE users SET cursor = 99 WHERE id = 2", 'a position of "Bob", 99, is beyond'),
        ("UPDATE users SET read = 99 WHERE id = 2", 'a position of "Bob", 99, is beyond'),
        ("UPDATE users SET shown = 99 WHERE id = 2", 'a position of "Bob", 99, is beyond'),
        ("INSERT INTO reads VALUES (2, -1, 99, 0)", 'a position of "Bob", 99, is beyond'),
        ("INSERT INTO reads VALUES (2, -1, 0, 99)", 'a position of "Bob", 99, is beyond'),
        ("INSERT INTO reads VALUES (3, 1, 2, 2)", "user 3 has a read position in conversation 1, which is not theirs"),
        ("INSERT INTO reads VALUES (2, 77, 2, 2)", "reads has a row whose conversations is missing"),
        ("INSERT INTO reads VALUES (77, -1, 2, 2)", "user 77 has a read position in conversation -1"),
        (f"{ADD} (x'07', 1, '', 'send', NULL, 1, NULL, NULL, x'')", "the token 07, whose digest has 1 bytes"),
        (f"{ADD} (zeroblob(32), 1, '', 'send', '[77]', 1, 2, 3, x'')", "the token 000000000000, whose"),
        (f"{ADD} (zeroblob(32), 1, '', 'send', 'x', 1, 2, 3, x'')", "the token 000000000000, whose"),
        (f"{ADD} (zeroblob(32), 1, '', 'root', NULL, 1, 2, 3, x'')", "the token 000000000000, whose"),
        (f"{ADD} (zeroblob(32), 77, '', 'all', NULL, 1, 2, 3, x'')", "whose users is missing"),
        ("DELETE FROM epochs", "epoch 1, which should begin after message 0, is missing"),
        ("INSERT INTO epochs VALUES (2, 'b', 5), (3, 'c', 4)", "epoch 3, which should begin after message 4, is"),
        ("INSERT INTO epochs VALUES (2, 'b', 9)", "epoch 2, which should begin after message 9, is"),
    ],
)
def test_manual_changes(town: Owner, data: Path, script: str, finding: str) -> None:
    """One line names each."""
    town.log.close()
    change(data, script)
    assert [one for one in findings(data) if finding in one]


@pytest.mark.parametrize("scope", get_args(Scope))
def test_tokens_of_each_scope(town: Owner, data: Path, scope: str) -> None:
    """None of them is damage."""
    town.log.close()
    change(data, f"{ADD} (zeroblob(32), 1, '', '{scope}', NULL, 1, 2, 3, x'')")
    assert findings(data) == []


def test_damaged_page(town: Owner, data: Path) -> None:
    """Rules that cannot be checked because of it are reported, too."""
    town.log.close()
    spoil(data, "anyone here?")
    found = findings(data)
    assert found[0].startswith("the file is damaged: ")
    assert any(one.startswith("this cannot be checked: ") for one in found)
