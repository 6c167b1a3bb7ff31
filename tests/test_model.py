"""Compares a real server with a model of it, for arbitrary actions of users and servers.

Hypothesis chooses the actions. ``MODEL_EXAMPLES=500`` in the environment sets a number of stories that differ from run
to run; without it the same few are tried each time.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import ClassVar, Final

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from chatcli.protocol.values.address import Address
from tests.model.device import Device, compare_all
from tests.model.log import Model, Positions, Room, Said
from tests.model.servers import AsProcess, InThread, Running
from tests.support import Frame

USERS: Final = ["ann", "bob", "cyd", "dov"]
PLACES: Final = ["desk", "phone"]
KINDS: Final = {
    "#square": "open",
    "#garden": "open",
    "#news": "announcement",
    "#cellar": "private",
    "#attic": "private",
}
OPEN: Final = 5000  # seconds for which some questions are open; no story takes that long
LONG: Final = 12 * 1024  # bytes; a dozen exceed a slow reader's socket buffers

users = st.sampled_from(USERS)
places = st.sampled_from(PLACES)
purposes = st.sampled_from(["join", "listen", "send"])
rooms = st.sampled_from(list(KINDS))
recipients = st.sampled_from([*USERS, *KINDS])


class Chat(RuleBasedStateMachine):
    """Users with two devices each, some of them old, some rooms, and a server that stops now and then."""

    server_class: ClassVar[type[Running]]
    ends_left = 2  # each stop of a server costs time

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="chatcli-model-")
        self.data = Path(self.folder.name)
        self.model = Model(USERS)
        self.devices = {(user, place): Device(self.model, user, place, note) for user in USERS for place in PLACES}
        self.words = 0
        self.at_once: list[list[Said]] = []  # concurrent answers to a question, of which one must count
        self.server: Running | None = self.server_class(self.data)

    # Connections

    @initialize()
    def everyone_comes(self) -> None:
        """Register all users, and create some of the rooms."""
        for user in USERS:
            self.at(user, "desk")
        for user in USERS:
            self.enter(user, "#square")
        for user in USERS[::-1]:
            self.enter(user, "#news")
        self.enter("ann", "#cellar")
        self.speak("ann", "desk", "#cellar", 1, "")
        self.invite_or_kick("bob", "#cellar")
        self.enter("bob", "#cellar")

    @rule(user=users, place=places, purpose=purposes, resume=st.booleans(), slow=st.booleans())
    def connect(self, user: str, place: str, purpose: str, resume: bool, slow: bool) -> None:
        """A device connects or reconnects, and resumes at its own or the user's position."""
        device = self.devices[user, place]
        device.hang_up()
        device.connect(self.address, purpose, resume=resume, slow=slow)

    @rule(user=users, place=places, other=users, count=st.integers(1, 40), resume=st.booleans())
    def connect_while_someone_speaks(self, user: str, place: str, other: str, count: int, resume: bool) -> None:
        """A message during the feed's catch-up is not lost between log and live delivery."""
        device = self.devices[user, place]
        device.hang_up()
        self.at(other, "phone" if place == "desk" else "desk")

        def speak() -> None:
            self.speak(other, "phone" if place == "desk" else "desk", user, count, "")

        device.connect(self.address, "join", resume=resume, slow=False, meanwhile=speak)

    @rule(user=users, place=places, polite=st.booleans())
    def disconnect(self, user: str, place: str, polite: bool) -> None:
        """A device leaves, with or without a goodbye."""
        device = self.devices[user, place]
        if device.connected and polite:
            note(f"{device.name} says bye")
            device.bid_goodbye()
        device.hang_up()

    @rule(user=users, place=places)
    def read(self, user: str, place: str) -> None:
        """One device reads, and the others do not."""
        if self.devices[user, place].connected:
            self.devices[user, place].ask("ping")

    @rule(user=users, place=places)
    def acknowledge(self, user: str, place: str) -> None:
        """A device acknowledges its messages, which reads them if it is old."""
        self.devices[user, place].acknowledge()

    @rule(user=users, place=places, chosen=st.integers(0, 9), message=st.integers(0, 99), back=st.booleans())
    def mark_read(self, user: str, place: str, chosen: int, message: int, back: bool) -> None:
        """A user reads a conversation up to a message, or marks it and the later ones as unread."""
        self.settle()
        conversations = self.model.conversations(user)
        if conversations:
            of = conversations[chosen % len(conversations)]
            messages = [said for said in self.model.feed(user, 0) if self.model.of(user, said) == of]
            seq = messages[message % len(messages)].seq - back
            note(f"{user} on the {place} has read {of} up to {seq}, back={back}")
            self.at(user, place).mark_read(of, seq, back=back)

    @rule(user=users, place=places)
    def mark_all_read(self, user: str, place: str) -> None:
        """A user reads everything."""
        self.settle()
        note(f"{user} on the {place} has read everything up to {self.model.head}")
        self.at(user, place).mark_read("", self.model.head, back=False)

    # Messages

    @rule(user=users, place=places, to=recipients, count=st.integers(1, 4), reply=st.booleans(), of=st.none() | users)
    def say(self, user: str, place: str, to: str, count: int, reply: bool, of: str | None) -> None:
        """A user sends a message, which may mention someone, without waiting for the answer."""
        self.speak(user, place, to, count, f" @{of}" if of and of != user else "", reply=reply)

    @rule(user=users, place=places, to=recipients, count=st.integers(12, 24))
    def say_much(self, user: str, place: str, to: str, count: int) -> None:
        """A user sends more than fits into a slow reader's buffers."""
        self.speak(user, place, to, count, " " + "x" * LONG)

    def speak(self, user: str, place: str, to: str, count: int, rest: str, *, reply: bool = False) -> None:
        """Send messages on a device; wait for the answers only if they will be refused."""
        device, refusal = self.at(user, place), self.model.refusal(user, to)
        about = self.model.conversation(user, to)[-1:] if reply else []
        messages = []
        for _ in range(count):
            self.words += 1
            word = f"w{self.words}"
            identity = str(uuid.UUID(int=self.words, version=4))
            re = about[0].seq if about else None
            messages.append(Said(identity, user, to, f"{user} said {word}{rest}", word, re, refusal=refusal))
        note(f"{device.name} says to {to}: {[said.word for said in messages]} {refusal}")
        if refusal:
            device.settle()
        device.say(messages)
        if refusal:
            device.settle()

    @rule(user=users, place=places, count=st.integers(1, 3))
    def repeat(self, user: str, place: str, count: int) -> None:
        """A device repeats an answered message, which keeps its place and is not delivered again."""
        said = [said for said in self.model.log if said.sender == user and not self.model.refusal(user, said.to)]
        device = self.at(user, place)
        note(f"{device.name} says again: {[one.word for one in said[-count:]]}")
        device.say(said[-count:])

    # Questions

    @rule(user=users, place=places, to=recipients, count=st.integers(2, 3), timed=st.booleans())
    def pose(self, user: str, place: str, to: str, count: int, timed: bool) -> None:
        """A user asks a question, and waits for the answer or not."""
        device, refusal = self.at(user, place), self.model.refusal(user, to)
        self.words += 1
        word, identity = f"w{self.words}", str(uuid.UUID(int=self.words, version=4))
        choices = [f"said c{self.words}x{number}" for number in range(count)]
        seconds = OPEN if timed else None
        question = Said(identity, user, to, f"{user} said {word}", word, None, 0, 0, refusal, choices, seconds)
        note(f"{device.name} asks {to}: {word}, {count} choices, for {seconds} {refusal}")
        device.settle()
        device.say([question])
        device.settle()

    @rule(user=users, place=places, chosen=st.integers(0, 9))
    def wait_for_answer(self, user: str, place: str, chosen: int) -> None:
        """A device waits for an answer, which is refused if its user may not."""
        self.settle()
        if question := self.question(chosen):
            note(f"{user}'s {place} waits for the answer to {question}")
            self.at(user, place).wait_for_answer(question)

    @rule(user=users, place=places, chosen=st.integers(0, 9), number=st.integers(-1, 2))
    def answer(self, user: str, place: str, chosen: int, number: int) -> None:
        """A user tries to answer a question: only the first permitted answer in time counts."""
        self.settle()
        if question := self.question(chosen):
            answer = self.answer_of(user, question, number)
            device = self.at(user, place)
            note(f"{device.name} answers {question}: {number} {answer.refusal}")
            device.say([answer])
            device.settle()

    @rule(chosen=st.integers(0, 9), number=st.integers(-1, 1))
    def answer_at_once(self, chosen: int, number: int) -> None:
        """All permitted users answer a question at once, on all devices, and one answer counts."""
        self.settle()
        if question := self.question(chosen):
            answers = [(device, self.answer_of(device.user, question, number)) for device in self.devices.values()]
            rivals = [(device, answer) for device, answer in answers if not answer.refusal]
            note(f"{[device.name for device, _ in rivals]} answer {question} at once: {number}")
            for device, answer in rivals:
                answer.at_once = True
                self.at(device.user, device.place).say([answer])
            self.at_once += [[answer for _, answer in rivals]] if rivals else []

    def question(self, chosen: int) -> Said | None:
        """Return one of the latest questions, or None."""
        questions = [said for said in self.model.log if said.choices][::-1]
        return questions[chosen % len(questions)] if questions else None

    def answer_of(self, user: str, question: Said, number: int) -> Said:
        """Return a user's answer to a question, in the right conversation."""
        self.words += 1
        own = question.sender == user != question.to
        to = question.to if own or question.to in KINDS else question.sender
        refusal = self.model.answer_refusal(user, to, question, number, self.now)
        text = question.choices[number] if 0 <= number < len(question.choices) else "withdrawn" if own else "declined"
        word = text.split()[-1] if number >= 0 else ""
        identity = str(uuid.UUID(int=self.words, version=4))
        return Said(identity, user, to, text, word, question.seq, refusal=refusal, answer=number)

    @property
    def now(self) -> int:
        """Return the approximate time of the server's clock."""
        assert self.server is not None
        return time.time_ns() // 1_000_000 + self.server.ahead * 1000

    # Rooms

    @rule(user=users, name=rooms)
    def enter_or_leave(self, user: str, name: str) -> None:
        """A user enters a room, or leaves it as a member."""
        room = self.model.rooms.get(name)
        if room is not None and user in room.members:
            self.leave(user, room)
        else:
            self.enter(user, name)

    def enter(self, user: str, name: str) -> None:
        """Enter or create a room, or be refused."""
        room = self.model.rooms.get(name)
        device = self.at(user)
        if room is not None and room.kind == "private" and user not in room.invited:
            assert device.ask("join", room=name)["code"] == "not_invited"
            return
        kind = {} if room else {"kind": KINDS[name]}
        answer = device.ask("join", room=name, **kind)
        note(f"{user} enters {name} behind {answer.get('since')}")
        assert answer["t"] == "room", answer
        if room is None:
            room = self.model.rooms[name] = Room(name, KINDS[name], [user])
        room.enter(user, answer["since"])
        if not room.owners:
            room.owners = [user]

    def leave(self, user: str, room: Room) -> None:
        """Leave a room, but for its last member."""
        if len(room.members) > 1:
            self.settle()
            note(f"{user} leaves {room.name} behind {self.model.head}")
            assert self.at(user).ask("leave", room=room.name)["t"] == "done"
            room.leave(user, self.model.head)
            self.speak(room.owners[0], "desk", room.name, 1, "")

    @rule(user=users, name=rooms)
    def invite_or_kick(self, user: str, name: str) -> None:
        """An owner of a room invites a user, or kicks a member."""
        room = self.model.rooms.get(name)
        if room is None or user in room.owners:
            return
        what = "kick" if user in room.members else "invite"
        self.settle()
        note(f"{room.owners[0]} does {what} {user}: {name}, behind {self.model.head}")
        answer = self.at(room.owners[0]).ask("operate", do=what, to=user, room=name)
        if what == "invite" and user in room.invited and answer["t"] == "error":
            assert answer["code"] == "not_allowed", answer  # the invitation is still valid
            return
        assert answer["t"] == "done", answer
        if what == "kick":
            room.leave(user, self.model.head)
            self.speak(room.owners[0], "desk", room.name, 1, "")
        else:
            room.invited[user] = room.owners[0]

    # The server

    @precondition(lambda self: self.ends_left > 0)
    @rule()
    def stop_and_start(self) -> None:
        """The server stops after answering all frames, and all devices have to reconnect."""
        note("the server stops")
        self.stop()
        self.server = self.server_class(self.data)

    def stop(self) -> None:
        """Stop the server, and read its last frames."""
        self.ends_left -= 1
        assert self.server is not None
        server, self.server = self.server, None
        server.ask_to_stop()
        self.hear_the_end()
        server.wait()
        for receiving in self.model.receiving.values():
            receiving.flushed = receiving.low
        for reading in self.model.reading.values():
            reading.stop()

    def hear_the_end(self) -> None:
        """Read on all devices until their connections have ended."""
        for device in self.devices.values():
            device.read_to_end()
            device.hang_up()

    # History and search

    @rule(user=users, of=recipients, limit=st.integers(1, 5))
    def look_back(self, user: str, of: str, limit: int) -> None:
        """A user reads a history, page by page."""
        self.settle()
        self.compare_history(user, of, limit)

    def compare_history(self, user: str, of: str, limit: int = 500) -> None:
        """Compare all pages of a conversation with the model."""
        device, room = self.at(user), self.model.rooms.get(of)
        hidden = room is not None and room.kind == "private" and user not in room.members
        if of.startswith("#") and (room is None or hidden):
            assert device.ask("history", of=of)["code"] == "unknown_room"
            return
        wanted = self.model.conversation(user, of)
        found: list[Frame] = []
        more = True
        before: dict[str, int] = {}
        while more:
            page = device.ask("history", of=of, limit=limit, **before)
            assert page["t"] == "history", page
            assert len(page["messages"]) <= limit
            assert page["messages"] or not page["more"], f"an empty page, and more to come: {page}"
            found[:0] = page["messages"]
            more, before = page["more"], {"before": found[0]["seq"]} if found else {}
        compare_all(found, wanted, f"{user}'s history of {of}")

    @rule(user=users, sender=users)
    def search(self, user: str, sender: str) -> None:
        """A user searches for the messages of a user."""
        self.settle()
        wanted = self.model.seen(user, lambda said: said.sender == sender and "said" in said.text)
        self.compare_found(user, wanted, text="said", **{"from": sender})

    @rule(user=users, chosen=st.integers(0, 200))
    def search_for_one(self, user: str, chosen: int) -> None:
        """A user searches for one message by a unique word."""
        self.settle()
        if self.model.log:
            word = self.model.log[chosen % len(self.model.log)].word
            if word:  # without a word it is a decline
                self.compare_found(user, self.model.seen(user, lambda said: said.word == word), text=word)

    def compare_found(self, user: str, wanted: list[Said], **query: object) -> None:
        """Compare all pages of search results with the model."""
        found: list[Frame] = []
        more = True
        before: dict[str, int] = {}
        while more:
            page = self.at(user).ask("search", **query, **before)
            assert page["t"] == "search", page
            assert page["messages"] or not page["more"], f"an empty page, and more to come: {page}"
            found += page["messages"]
            more, before = page["more"], {"before": found[-1]["seq"]} if found else {}
        compare_all(found[::-1], wanted, f"what {user} finds by {query}")

    # Helpers

    @property
    def address(self) -> Address:
        """Return the server's address."""
        assert self.server is not None
        return self.server.address

    def at(self, user: str, place: str | None = None) -> Device:
        """Return a connected device of a user."""
        own = [self.devices[user, place] for place in ([place] if place else PLACES)]
        device = next((device for device in own if device.connected), own[0])
        if not device.connected:
            device.connect(self.address, "join", resume=True, slow=False)
        return device

    def settle(self) -> None:
        """Wait until all messages are answered, and compare the feeds of ended connections."""
        for (user, place), device in self.devices.items():
            if device.unanswered:
                self.at(user, place).settle()
        for device in self.devices.values():
            for feed in device.ended:
                feed.check(self.model, whole=False)
            device.ended.clear()
        for rivals in self.at_once:
            assert [bool(answer.seq) for answer in rivals].count(True) == 1, [str(answer) for answer in rivals]
        self.at_once.clear()

    @rule()
    def catch_up(self) -> None:
        """All devices read everything."""
        self.settle()
        for device in self.devices.values():
            device.catch_up()
            device.check_answers()
            device.check_positions()

    def compare_everything(self) -> None:
        """Compare feeds, histories, searches and counts of all users."""
        self.catch_up()
        for user in USERS:
            self.compare_unread(user)
        for user in USERS:
            self.compare_receipts(user)
            self.compare_whole_feed(user)
            self.compare_found(user, self.model.seen(user, lambda said: "said" in said.text), text="said")
            self.compare_unread(user)
            self.compare_conversations(user)
            for question in [said for said in self.model.log if said.choices]:
                self.at(user).wait_for_answer(question)
            self.at(user).check_answers()
            for of in [*USERS, *self.model.rooms]:
                self.compare_history(user, of)

    def compare_unread(self, user: str) -> None:
        """Compare the server's unread counts with the model."""
        answer, receiving = self.at(user).ask("unread"), self.model.receiving[user]
        assert receiving.low <= answer["cursor"] <= receiving.high, f"{user} had received {receiving}: {answer}"
        receiving.low = receiving.high = answer["cursor"]
        self.model.reading[user].learn(
            lambda own: answer["conversations"] == self.model.unread(user, own, self.now), answer
        )

    def compare_conversations(self, user: str) -> None:
        """Compare the server's list of conversations with the model, page by page."""
        listed: list[Frame] = []
        more = True
        before: dict[str, int] = {}
        while more:
            page = self.at(user).ask("conversations", limit=3, **before)
            assert page["conversations"] or not page["more"], f"an empty page, and more to come: {page}"
            listed += [{**one, "last": one["last"]["seq"]} for one in page["conversations"]]
            more, before = page["more"], {"before": listed[-1]["last"]} if listed else {}
        self.model.reading[user].learn(lambda own: listed == self.model.listed(user, own, self.now), listed)

    def compare_receipts(self, user: str) -> None:
        """Compare what a user learns of others' positions with the model."""
        for other in USERS:
            (found,) = self.at(user).ask("receipts", to=other)["people"]
            self.compare_receipt(user, other, found)

    def compare_receipt(self, user: str, other: str, found: Frame) -> None:
        """Compare the receipt of another user for the messages of these two with the model."""
        newest, received = self.model.newest_between, self.model.receiving[other].low

        def fits(own: Positions) -> bool:
            shown = own.of(user)[1]
            positions = (newest(user, other, shown), newest(user, other, max(shown, received)))
            return (found["seq"], found.get("received", 0)) == positions

        self.model.reading[other].learn(fits, f"{user} learns {found}")

    def compare_whole_feed(self, user: str) -> None:
        """Compare the feed of a new device with the model."""
        device = Device(self.model, user, "new device", note)
        device.connect(self.address, "listen", resume=True, slow=False)
        device.catch_up()
        device.bid_goodbye()

    def teardown(self) -> None:
        """Compare everything once more, and count the messages on disk."""
        try:
            if sys.exc_info()[0] is None:
                self.compare_everything()
                self.stop()
                self.settle()
                self.count_stored()
        finally:
            if self.server is not None:
                self.server.kill()
            for device in self.devices.values():
                device.hang_up()
            self.folder.cleanup()

    def count_stored(self) -> None:
        """Compare the stored messages with the acknowledged ones."""
        with contextlib.closing(sqlite3.connect(self.data / "chatcli.db")) as database:
            stored = database.execute("SELECT seq FROM messages ORDER BY seq").fetchall()
        assert [seq for (seq,) in stored] == [said.seq for said in self.model.log]


class ChatInThread(Chat):
    """With a small buffer for slow readers, which fall back to the log, and with a clock that can be moved."""

    server_class = InThread
    ends_left = 3

    @rule()
    def let_time_pass(self) -> None:
        """All questions with a timeout time out."""
        self.settle()
        assert isinstance(self.server, InThread)
        self.server.pass_time(2 * OPEN)


class ChatAsProcess(Chat):
    """With a server that is killed."""

    server_class = AsProcess

    @precondition(lambda self: self.ends_left > 0)
    @rule()
    def kill_and_start(self) -> None:
        """The server is killed; all that it has acknowledged is still there."""
        note("the server is killed")
        self.ends_left -= 1
        assert self.server is not None
        server, self.server = self.server, None
        server.kill()
        self.hear_the_end()
        for receiving in self.model.receiving.values():
            receiving.low = receiving.flushed
        for reading in self.model.reading.values():
            reading.kill()
        self.server = self.server_class(self.data)


@pytest.mark.parametrize(("story", "examples"), [(ChatInThread, 12), (ChatAsProcess, 4)])
def test_server_agrees_with_the_model(story: type[Chat], examples: int) -> None:
    """Nothing is lost or comes twice, order is kept, and all messages reach only the people who may read them."""
    count = int(os.environ.get("MODEL_EXAMPLES", "0"))
    run_state_machine_as_test(
        story,
        settings=settings(
            max_examples=count or examples,
            stateful_step_count=40,
            derandomize=not count,
            database=None,
            deadline=None,
            print_blob=bool(count),
            suppress_health_check=list(HealthCheck),
        ),
    )
