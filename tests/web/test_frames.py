"""Frames of a server, checked by the page's own modules: types, bounds, order."""

from __future__ import annotations

import json
from typing import Any, Final

from tests.web.conftest import OpenPage
from tests.web.modules import run
from tests.web.servers import WebServer

MESSAGE: Final = {"t": "message", "seq": 1, "id": "i", "from": "ann", "to": "#ops", "text": "hi", "at": 0}
ROOM: Final = {"name": "#ops", "kind": "open", "members": 1}
NONSENSE: Final = {"t": "nonsense"}
LARGEST: Final = 2**53 - 1


def broken(**fields: object) -> dict[str, Any]:
    """Return a message in which a field is another one."""
    return {**MESSAGE, **fields}


#: Lines, and the frames that they are taken for.
LINES: Final[list[tuple[object, dict[str, Any]]]] = [
    (MESSAGE, MESSAGE),
    (broken(seq=LARGEST), broken(seq=LARGEST)),
    (broken(re=None, choices=None), MESSAGE),
    (broken(unknown=[1]), broken(unknown=[1])),
    (broken(choices=["yes", 1, "", "no"]), broken(choices=["yes", "no"])),
    ("", NONSENSE),
    ("{", NONSENSE),
    ("[]", NONSENSE),
    ("null", NONSENSE),
    ('"message"', NONSENSE),
    ({"t": 1}, NONSENSE),
    ({"t": ""}, NONSENSE),
    ({"t": "pong", "n": "1"}, NONSENSE),
    ({"t": "pong", "n": 1}, {"t": "pong", "n": 1}),
    ({"t": "constructor"}, {"t": "constructor"}),
    ({"t": "__proto__"}, {"t": "__proto__"}),
    ({"t": "live"}, NONSENSE),
    ({"t": "live", "seq": 0.5}, NONSENSE),
    ({"t": "history", "of": "#ops", "messages": {}, "more": False, "n": 4}, {**NONSENSE, "n": 4}),
    (
        {"t": "history", "of": "#ops", "messages": [MESSAGE, broken(at="x"), 7, None], "more": False},
        {"t": "history", "of": "#ops", "messages": [MESSAGE], "more": False},
    ),
    (
        {"t": "rooms", "rooms": [ROOM, {**ROOM, "kind": "odd"}, {**ROOM, "last": broken(seq=-1)}], "more": False},
        {"t": "rooms", "rooms": [ROOM], "more": False},
    ),
    ({"t": "presence", "here": "ann"}, NONSENSE),
    ({"t": "presence", "here": ["ann", "", 1, "x" * 201]}, {"t": "presence", "here": ["ann"]}),
    ({"t": "error", "code": "x", "text": "y", "names": None}, {"t": "error", "code": "x", "text": "y"}),
    *[
        (broken(**{field: value}), NONSENSE)
        for field, value in [
            ("seq", -1),
            ("seq", 1.5),
            ("seq", "1"),
            ("seq", LARGEST + 1),
            ("at", 253_370_764_800_001),
            ("from", ""),
            ("from", "x" * 201),
            ("from", {"toString": 1}),
            ("text", None),
            ("text", ["hi"]),
            ("re", "1"),
            ("choices", "yes"),
            ("until", -1),
            ("answer", 0.5),
        ]
    ],
]


def test_frames(server: WebServer, open_page: OpenPage) -> None:
    """Lines that are no frame, or have a wrong field, go no further; wrong entries of lists are left out."""
    lines = [line if isinstance(line, str) else json.dumps(line) for line, _ in LINES]
    script = """const { readFrame } = await load("transport/validate.js"); return argument.map(readFrame);"""
    found = run(open_page(server), script, lines)
    assert [{field: value for field, value in frame.items() if value is not None} for frame in found] == [
        frame for _, frame in LINES
    ]


def test_answers(server: WebServer, open_page: OpenPage) -> None:
    """Each request has one kind of answer."""
    script = """const { answerTo } = await load("transport/validate.js"); return argument.map(answerTo);"""
    asked = ["join", "leave", "ping", "answers", "history", "topic"]
    answers = ["room", "done", "pong", "answer", "history", "done"]
    assert run(open_page(server), script, asked) == answers


def test_pages_that_overlap(server: WebServer, open_page: OpenPage) -> None:
    """Live messages that a page of history has, too, are kept once, in order."""
    script = """
        const { Conversation } = await load("core/conversation.js");
        const one = new Conversation("#ops");
        const message = (seq) => ({ ...argument, seq });
        const fresh = [[3, 4, 4, 3], [6, 5, 4, 6], [1, 9, 2, 1], [9, 1]].map((seqs) => one.insert(seqs.map(message)));
        return [one.messages.map(({ seq }) => seq), fresh.map((list) => list.map(({ seq }) => seq))];"""
    held, fresh = run(open_page(server), script, MESSAGE)
    assert held == [1, 2, 3, 4, 5, 6, 9]
    assert fresh == [[3, 4], [5, 6], [1, 2, 9], []]
