"""Plays the examples of ``docs/protocol.md`` against a server, and compares its answers with the page.

A line is ``name >> frame`` for a frame that a user sends, ``name << frame`` for one they receive, ``name >>| text`` for
a line that is no frame, and ``$ command`` for a command of the operator. The user ``caller`` has a connection and
nothing else; all others have logged in. Places in the log, times and random values differ each time: the same number is
the same place throughout an example. The sentences of ``error`` and ``bye`` are for people, and not compared.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Any, Final

from chatcli.client.identity.key import Identity
from chatcli.protocol.keys import Claim, key_bytes, key_text, signed_bytes
from tests.support import UNASKED, Caller, Frame, ThreadServer, chatcli, key_of

#: Fields with a place in the log, in both directions.
_PLACES: Final = frozenset({"seq", "re", "before", "head", "cursor", "since", "shared", "read", "received"})
#: Fields that differ each time.
_VARYING: Final = frozenset({"at", "until", "nonce", "server", "key", "fingerprint", "idle", "epoch", "used"})
_SMALLEST_TIME: Final = 10**12
_KEY: Final = Identity(bytes(range(32)))  # the key of the page's worked proof

Line = tuple[str, str, str]


def lines_of(block: str) -> list[Line]:
    """Return the lines of an example: user, direction and frame."""
    found = []
    for line in block.strip().splitlines():
        match = re.fullmatch(r"(\$|\w+ (?:>>\|?|<<)) (.*)", line)
        assert match, line
        who, _, arrow = match[1].partition(" ")
        found.append((who, arrow, match[2]))
    return found


class Player:
    """Plays one example."""

    def __init__(self, server: ThreadServer) -> None:
        self._server = server
        self._callers: dict[str, Caller] = {}
        self._places: dict[int, int] = {}
        self._words: dict[str, str] = {}
        self._challenge: Frame = {}
        self._hello: Frame = {}

    def come_in(self, lines: list[Line]) -> None:
        """Log in the users who are there from the beginning."""
        for who in dict.fromkeys(who for who, _, _ in lines if who != "$" and not who.startswith("caller")):
            self._callers[who] = self._server.joined(who, key=key_of(who))

    def play(self, lines: list[Line]) -> None:
        """Send or receive each line."""
        try:
            for line in lines:
                self._play(*line)
        finally:
            for caller in self._callers.values():
                caller.hang_up()

    def _play(self, who: str, arrow: str, what: str) -> None:
        if who == "$":
            self._operate(what)
            return
        if who not in self._callers:
            self._callers[who] = self._server.connect()
        caller = self._callers[who]
        if arrow == ">>|":
            caller.says_raw(what.encode() + b"\n")
        elif arrow == ">>":
            caller.says_raw(json.dumps(self._said(json.loads(what)), ensure_ascii=False).encode() + b"\n")
        else:
            self._hear(caller, json.loads(what))

    def _operate(self, command: str) -> None:
        if command.startswith("kill"):
            self._server.stop()
            return
        words = [self._words.get(word, word) for word in shlex.split(command)[1:]]
        done = chatcli(*words, "--data", str(self._server.data), "--json")
        assert done.returncode == 0, done.stderr
        if words[1] == "invite":
            self._words["INVITATION"] = json.loads(done.stdout)["code"]

    def _said(self, frame: Frame) -> Frame:
        """Return the substitute for a value on the page."""
        if frame["t"] == "hello":
            self._hello = frame
        if frame["t"] == "prove" and frame["signature"].startswith("…"):
            return {**frame, "signature": self._signature()}
        return {key: self._said_value(key, value) for key, value in frame.items()}

    def _said_value(self, key: str, value: Any) -> Any:  # noqa: ANN401 (any value of JSON)
        if key in _PLACES and isinstance(value, int):
            return self._places.get(value, value)
        return self._words.get(value, value) if isinstance(value, str) else value

    def _signature(self) -> str:
        hello, challenge = self._hello, self._challenge
        purpose = hello.get("purpose", "join")
        claim = Claim(
            version=1,
            server_key=challenge["key"],
            nonce=key_bytes(challenge["nonce"], 32),
            user=hello["user"],
            purpose=purpose,
            channel=b"",
        )
        return key_text(_KEY.sign(signed_bytes(claim)))

    def _hear(self, caller: Caller, expected: Frame) -> None:
        while True:
            heard = caller.next()
            assert heard is not None, expected
            unasked = heard["t"] in UNASKED or (heard["t"] == "who" and "n" not in heard)
            if heard["t"] == expected["t"] and not self._differs(expected, heard):
                break
            assert unasked, (expected, heard)
        if heard["t"] == "challenge":
            self._challenge = heard
        self._compare(expected, heard, heard["t"])

    @staticmethod
    def _differs(expected: Frame, heard: Frame) -> bool:
        """Return whether this is another unrequested notice."""
        return heard["t"] in UNASKED and expected.keys() != heard.keys()

    def _compare(self, expected: Any, heard: Any, tag: str, key: str = "") -> None:  # noqa: ANN401 (as above)
        assert type(expected) is type(heard), (key, expected, heard)
        if isinstance(expected, dict):
            assert expected.keys() == heard.keys(), (expected, heard)
            for name in expected:
                self._compare(expected[name], heard[name], tag, name)
        elif isinstance(expected, list):
            assert len(expected) == len(heard), (key, expected, heard)
            for one, other in zip(expected, heard, strict=True):
                self._compare(one, other, tag, key)
        elif key in _PLACES and expected and expected < _SMALLEST_TIME:
            assert self._places.setdefault(expected, heard) == heard, (key, expected, heard)
        elif tag in ("error", "bye") and key == "text":
            assert heard
        elif (key == "code" and tag == "link") or (key in ("token", "id") and tag in ("token", "tokens")):
            self._words[expected] = heard
        elif key in _VARYING or (key in _PLACES and expected):
            assert heard
            if isinstance(expected, str):
                self._words[expected] = heard
        else:
            assert expected == heard, (key, expected, heard)
