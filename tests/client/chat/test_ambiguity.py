"""Dialogues with the core of the interactive client about ambiguous lines, which wait for a second Enter."""

from __future__ import annotations

import itertools

import pytest

from chatcli.client.chat.ambiguity import Origin
from chatcli.client.chat.arrival import Arrival
from chatcli.protocol import frames as f
from tests.client.chat.dialogue import LIMITS, Dialogue, hears, types
from tests.client.chat.test_chat_conversations import held, said, sends, shown

WELCOME = f.Welcome("alice", 10, 4, "chatcli/1", LIMITS, ["#ops"])


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A stopped clock."""
    return Clock()


@pytest.fixture
def chat(clock: Clock) -> Dialogue:
    """Alice, a member of #ops, in a conversation with bob, with carol online."""
    chat = new_chat(clock)
    hears(chat, f.Live(10), f.People([f.Person(name, 1) for name in ("alice", "bob", "carol")]))
    types(chat, "/to bob")
    return chat


def new_chat(clock: Clock, arrival: Arrival | None = None) -> Dialogue:
    """Return Alice's chat after the welcome."""
    numbers = itertools.count(1)
    chat = Dialogue("alice", lambda: f"id-{next(numbers)}", lambda: 0, arrival, clock)
    chat.connected(WELCOME)
    return chat


def asks(chat: Dialogue, seq: int = 11, to: str = "alice", choices: tuple[str, ...] = ("yes", "no")) -> None:
    """Receive a question from ci that times out after ten minutes."""
    hears(chat, f.Message(seq, f"ask-{seq}", "ci", to, "Deploy?", 0, choices=choices, until=600_000))


def answer(chat: Dialogue, line: str) -> tuple[int | None, int | None]:
    """Return the message and the choice of a line's answer."""
    events, (frame,) = types(chat, line)
    assert events == []
    assert isinstance(frame, f.Send)
    return frame.re, frame.answer


def refused(chat: Dialogue, line: str) -> str:
    """Return the reason for refusing a line."""
    events, frames = types(chat, line)
    assert frames == []
    return shown(events)[0]


# Recipients


@pytest.mark.parametrize(
    "line",
    [
        *(
            "dave: hi",
            "dave : hi",
            "dave :hi",
            "dave:: hi",
            "dave:10 min",
            "dave:",
            "dave：hi",
            "Dave:hi",
            "\u200bdave: hi",
            "all: lunch?",
            "TODO: buy milk",
        ),
        *("@carol hi", "@carol, hi", "＠carol hi", "@dave hi", "@carol: hi"),
        *("carol;hi", "carol; hi", "#ops hi", "#ops, hi", "#nosuch hi", "carol,bob: hi", "carol, bob: hi"),
        *("Who?", "who!", "exit now", "exit.", "quti", "hlep", "leave", "history", "history 20", "join #ops"),
        *("kick carol", "／who", "\\who", "part #ops", "msg carol hi"),
    ],
)
def test_ambiguous_line_needs_a_second_enter(chat: Dialogue, line: str) -> None:
    """The first Enter says what the next one does, and sends nothing."""
    assert "Enter once more sends the line to bob as it is" in held(chat, line)
    assert sends(chat, line) == ("bob", line)


@pytest.mark.parametrize(
    "line",
    [
        *("hello", "see https://example.org: it", "https://example.org", "12:30 is lunch", "3:2 for us", ":smile: yes"),
        *("mailto:bob@example.org", "C:\\Users", "two words: hi", "history is long", "join us", "help me", "me too"),
        *("who is carol", "exit code was 1", "nice", "(12:30)", "😀: yes", "hi @carol"),
        *(
            "thanks :)",
            "great :-D",
            "ok :P",
            "hm :/",
            "nice :+1:",
            "ok :) bye",
            "what :o",
            '"Quote": is it',
            "*big*: yes",
        ),
        *("localhost:8080", "db.example.org:5432 is down", "file.py:12: error", "std::vector", "foo::bar()"),
    ],
)
def test_unambiguous_texts(chat: Dialogue, line: str) -> None:
    """Links, times and sentences are sent at once."""
    assert sends(chat, line) == ("bob", line)


@pytest.mark.parametrize("line", ["server:whoo", "server: hello", "server:", "Server : hi", "/unknown", "//who", " /x"])
def test_unknown_command(chat: Dialogue, line: str) -> None:
    """An unknown command is never sent as a text, however often it is typed."""
    for _ in range(2):
        assert refused(chat, line).startswith("There is no command")


def test_word_is_confirmed_once(chat: Dialogue) -> None:
    """A word that was confirmed as text stays text until a user has that name; then it is asked about again."""
    held(chat, "note: buy milk")
    assert sends(chat, "note: buy milk") == ("bob", "note: buy milk")
    assert sends(chat, "Note: buy bread") == ("bob", "Note: buy bread")
    hears(chat, f.Presence(["note"]))
    assert 'Enter once more sends "x" to note' in held(chat, "note: x")
    assert sends(chat, "note: x") == ("note", "x")
    assert sends(chat, "note: y") == ("note", "y")


def test_empty_line_drops_the_held_one(chat: Dialogue) -> None:
    """An empty line drops the held line and sends nothing."""
    held(chat, "dave: hi")
    assert types(chat, "") == ([], [])
    assert "sends the line to bob" in held(chat, "dave: hi")


def test_arrival_between_two_enters(chat: Dialogue) -> None:
    """The second Enter does what the first one announced, or announces again."""
    assert "sends the line to bob" in held(chat, "dave: hi")
    hears(chat, f.Presence(["dave"]))
    assert 'Enter once more sends "hi" to dave' in held(chat, "dave: hi")
    assert sends(chat, "dave: hi") == ("dave", "hi")


def test_line_in_between_drops_the_held_one(chat: Dialogue) -> None:
    """Another line, or another conversation, drops the held line."""
    held(chat, "dave: hi")
    assert sends(chat, "hello") == ("bob", "hello")
    held(chat, "dave: hi")
    types(chat, "/to carol")
    assert "to carol as it is" in held(chat, "dave: hi")


def test_mention_outside_a_room(chat: Dialogue) -> None:
    """A name before a colon is a mention in a room, and elsewhere a recipient."""
    types(chat, "/to #ops")
    assert sends(chat, "@carol hi") == ("#ops", "@carol hi")
    assert "is only a mention" in held(chat, "@carol: hi")


@pytest.mark.parametrize(("line", "part"), [("carol: /topic foo", "A command must be"), ("12:30 is lunch", "a time")])
def test_improbable_recipient(chat: Dialogue, line: str, part: str) -> None:
    """A text to a known user is held if that user was hardly meant."""
    hears(chat, f.Presence(["12"]))
    assert part in held(chat, line)
    types(chat, line)
    assert len(chat.outgoing) == 1


def test_programs_are_refused(clock: Clock) -> None:
    """For a program the words of the line alone decide; a word before a colon is a recipient, known or not."""
    chat = new_chat(clock, Arrival(scripted=True))
    types(chat, "bob: hi")
    for line in ("exit now", "Who?", "server: hello", "/unknown"):
        assert "/say in front" in refused(chat, line)
    assert sends(chat, "carol;hi") == ("bob", "carol;hi")
    assert sends(chat, "dave：hi") == ("dave", "hi")
    assert sends(chat, "/say exit now") == ("dave", "exit now")


# Without an open conversation


def test_only_writer_is_answered(clock: Clock) -> None:
    """Text goes to the only user who has written, until a conversation is opened; several are named."""
    chat = new_chat(clock)
    hears(chat, f.Live(10), said(11, "bob"))
    assert chat.conversations.suggest()
    assert sends(chat, "Hi yourself") == ("bob", "Hi yourself")
    hears(chat, said(12, "carol"))
    assert not chat.conversations.suggest()
    assert sends(chat, "more") == ("bob", "more")
    chat = new_chat(clock)
    hears(chat, f.Live(10), said(11, "bob"))
    chat.conversations.suggest()
    hears(chat, said(12, "carol"))
    assert chat.conversations.suggest()
    assert "To whom?" in refused(chat, "Hi yourself")
    assert chat.returned == ["Hi yourself"]
    assert "These have written to you: bob, carol." in refused(chat, "Hi yourself")


def test_first_message_while_typing(clock: Clock) -> None:
    """A first message that comes while the user types does not get the text."""
    chat = new_chat(clock)
    hears(chat, f.Live(10), said(11, "bob"))
    assert held(chat, "Hi") == 'To whom? Enter once more sends the line to bob as it is; or write "name: text".'
    assert sends(chat, "Hi") == ("bob", "Hi")


def test_left_room(clock: Clock) -> None:
    """Once the user has opened a conversation, none opens by itself."""
    chat = new_chat(clock)
    types(chat, "/to #ops")
    hears(chat, f.Live(10), said(11, "bob"), f.Happened("#ops", "kicked", "alice", "bob"))
    assert not chat.conversations.suggest()
    assert "To whom?" in refused(chat, "hello?")


# Answers


def test_possible_answer_is_held(chat: Dialogue) -> None:
    """The first Enter says which answer the second one gives."""
    types(chat, "/to #ops")
    asks(chat)
    for line in ("1", "y", "Yes!", "[1]"):
        assert 'Enter once more answers ci with "yes"; /say' in held(chat, line)
    assert chat.addressing.describe_enter("[1]") == 'Enter: answers ci with "yes"'
    assert chat.addressing.describe_enter("2") == 'Enter asks once what "2" is meant for'
    assert chat.addressing.describe_enter("2 pm") == ""
    assert answer(chat, "[1]") == (11, 0)
    assert "is too late for the question: Enter once more sends the line to #ops" in held(chat, "1")
    assert sends(chat, "1 moment") == ("#ops", "1 moment")


def test_yes_without_such_a_choice(chat: Dialogue) -> None:
    """A "yes" that is no choice is asked about once, and is then a text."""
    asks(chat, choices=("deploy", "abort"))
    assert "not a choice of the question: Enter once more sends the line to bob" in held(chat, "yes")
    assert sends(chat, "yes") == ("bob", "yes")
    assert sends(chat, "yes") == ("bob", "yes")


def test_question_ends_in_between(chat: Dialogue, clock: Clock) -> None:
    """A held answer goes nowhere if its question ends; the next question, or the text, is announced."""
    asks(chat, 11)
    asks(chat, 12, choices=("no", "yes"))
    assert 'answers ci with "yes"' in held(chat, "1")
    hears(chat, f.Message(13, "x", "ci", "alice", "withdrawn", 0, re=11, answer=-1))
    assert 'answers ci with "no"' in held(chat, "1")
    clock.now = 601
    assert "too late for the question: Enter once more sends the line to bob" in held(chat, "1")
    clock.now = 1000
    assert sends(chat, "1") == ("bob", "1")


def test_digit_without_a_conversation(clock: Clock) -> None:
    """A digit names the question first, and answers it at the second Enter."""
    chat = new_chat(clock)
    hears(chat, f.Live(10))
    asks(chat)
    assert held(chat, "2") == 'To whom? "2" may be meant for the question: Enter once more answers ci with "no".'
    assert answer(chat, "2") == (11, 1)


def test_changed_meaning_is_announced(chat: Dialogue) -> None:
    """A message or a question that comes while the user types redirects nothing."""
    hears(chat, said(11, "bob"))
    chat.addressing.start_line()
    hears(chat, said(12, "carol"))
    assert "Enter once more replies to what carol has just said" in held(chat, "/reply yes")
    (frame,) = types(chat, "/reply yes")[1]
    assert isinstance(frame, f.Send)
    assert (frame.to, frame.re) == ("carol", 12)
    chat.addressing.start_line()
    hears(chat, said(13, "bob"))
    (frame,) = types(chat, "/reply carol yes")[1]
    assert isinstance(frame, f.Send)
    assert frame.re == 12
    asks(chat, 14)
    asks(chat, 15, choices=("no", "yes"))
    chat.addressing.start_line()
    hears(chat, f.Message(16, "x", "ci", "alice", "withdrawn", 0, re=14, answer=-1))
    assert 'Enter once more answers "yes" to ci: Deploy?' in held(chat, "/answer yes")
    assert answer(chat, "/answer yes") == (15, 1)


# Several lines


@pytest.mark.parametrize(
    "text", ["/away\nfrom the keyboard", "/etc/fstab:\n/dev/sda1", "bob: hi\ncarol: ho", "exit\n\nx"]
)
def test_paste_is_a_text(chat: Dialogue, text: str) -> None:
    """A paste goes unchanged to the open conversation, and comes back if there is none."""
    events, (frame,) = types(chat, text, "pasted")
    assert events == []
    assert isinstance(frame, f.Send)
    assert (frame.to, frame.text) == ("bob", text)
    types(chat, "/close")
    assert "To whom?" in shown(types(chat, text, "pasted")[0])[0]
    assert chat.returned == [text]


@pytest.mark.parametrize(
    ("line", "origin", "says"),
    [
        ("/away\nfrom the keyboard", "typed", "all of it to bob as one message"),
        ("server:exit\nx", "typed", "all of it to bob as one message"),
        ("carol: hi\nbob: ho", "typed", '"hi␤bob: ho" to carol'),
        ("carol: hi\nho", "kept", '"hi␤ho" to carol'),
    ],
)
def test_ambiguous_paste_is_held(chat: Dialogue, line: str, origin: Origin, says: str) -> None:
    """Several lines are never a command."""
    events, frames = types(chat, line, origin)
    assert frames == []
    assert f"Enter once more sends {says}" in shown(events)[0]
    assert chat.returned == [line]
    assert len(types(chat, line, origin)[1]) == 1


@pytest.mark.parametrize(
    ("line", "to", "text"),
    [
        ("carol: one\ntwo", "carol", "one\ntwo"),
        ("/say /one\n/two", "bob", "/one\n/two"),
        ("/msg carol one\ntwo", "carol", "one\ntwo"),
        ("one\ncarol: two", "bob", "one\ncarol: two"),
        ("who\ncares", "bob", "who\ncares"),
    ],
)
def test_paste_with_a_recipient(chat: Dialogue, line: str, to: str, text: str) -> None:
    """Several lines go to the named recipient, or with a command that sends the rest."""
    assert sends(chat, line) == (to, text)


# Commands of other chats


def test_irc_commands(chat: Dialogue) -> None:
    """The commands of IRC do what they do there."""
    assert sends(chat, "/msg carol hi") == ("carol", "hi")
    assert chat.conversations.current == "bob"
    assert sends(chat, "/me waves") == ("bob", "* alice waves")
    assert types(chat, "/names #ops")[1] == [f.Who("#ops", n=1)]
    assert types(chat, "/part #ops")[1] == [f.Leave("#ops", 2)]
    assert types(chat, "/rooms")[1] == [f.Rooms(n=3)]
    assert types(chat, "/history -n 2")[1] == [f.History("bob", limit=2, n=4)]
    assert shown(types(chat, "/whois carol")[0]) == ["carol is here"]
    assert shown(types(chat, "/nick ann")[0]) == ["You stay alice here: leave, then write chatcli join --user ann"]
    assert refused(chat, "/msg carol") == 'Write "/msg NAME|#ROOM TEXT".'
    types(chat, "/close")
    assert "To whom?" in refused(chat, "/me waves")
    assert chat.returned == ["/me waves"]
    assert sends(chat, "/msg carol hi") == ("carol", "hi")
    assert chat.conversations.current == "carol"


# Unread messages


def test_ended_questions_are_not_unread(chat: Dialogue, clock: Clock) -> None:
    """An answer, a withdrawal or a timeout counts before and after the question comes."""
    asks(chat, 11)
    hears(chat, said(12, "ci"))
    assert chat.conversations.unread == {"ci": 2}
    hears(chat, f.Message(13, "x", "ci", "alice", "withdrawn", 0, re=11, answer=-1))
    assert chat.conversations.unread == {"ci": 1}
    asks(chat, 14)
    assert chat.conversations.unread == {"ci": 2}
    clock.now = 700
    assert chat.questions.open() == []
    assert chat.conversations.unread == {"ci": 1}
    hears(chat, f.Message(15, "q", "dan", "alice", "Late?", 0, choices=("yes", "no"), until=0))
    assert "dan" not in chat.conversations.unread


def test_closed_conversation_returns(chat: Dialogue) -> None:
    """A closed conversation has no number until a new message comes; what is unread there stays unread."""
    hears(chat, said(11, "carol"))
    assert shown(types(chat, "/close carol")[0]) == ["carol is closed until something new comes there"]
    assert (chat.conversations.numbered(), chat.conversations.unread) == (["bob"], {"carol": 1})
    assert [one.name for one in chat.conversations.listed() if one.closed] == ["carol"]
    assert shown(types(chat, "/close")[0]) == ["bob is closed until something new comes there"]
    assert chat.conversations.current == ""
    assert refused(chat, "/close bobb") == "There is no conversation with bobb to close."
    hears(chat, said(12, "carol"))
    assert (chat.conversations.numbered(), chat.conversations.unread) == (["carol"], {"carol": 2})


def test_closed_conversation_stays_closed(clock: Clock) -> None:
    """A closed conversation does not open by itself, even that of the only user who has written."""
    chat = new_chat(clock)
    hears(chat, f.Live(10), said(11, "bob"))
    assert chat.conversations.suggest()
    types(chat, "/close")
    assert not chat.conversations.suggest()
    assert "To whom?" in refused(chat, "hello")


def test_numbers_of_messages_that_moved(chat: Dialogue) -> None:
    """A number means the message that it meant when the line was started, or the line is held."""
    hears(chat, said(11, "bob"), said(12, "carol"))
    chat.addressing.start_line()
    hears(chat, said(13, "dave"))
    assert "Enter once more replies to what carol said before that" in held(chat, "/reply 2 yes")
    hears(chat, said(14, "eve"))
    assert "Enter once more replies to what dave said before that" in held(chat, "/reply 2 yes")
    (frame,) = types(chat, "/reply 2 yes")[1]
    assert isinstance(frame, f.Send)
    assert frame.re == 13
    hears(chat, said(15, "carol"))
    chat.addressing.start_line()
    (frame,) = types(chat, "/reply 2 yes")[1]
    assert isinstance(frame, f.Send)
    assert frame.re == 14


def test_number_of_a_message_that_is_gone(chat: Dialogue) -> None:
    """After the server was restored from a backup, the newest message is an earlier one."""
    limits = f.Limits(32768, 65536, 60)
    chat.connected(f.Welcome("alice", 10, 10, "x", limits, revision=1, epoch="one"))
    hears(chat, f.Live(10), said(11, "bob"), said(12, "carol"))
    chat.addressing.start_line()
    chat.disconnected()
    chat.connected(f.Welcome("alice", 11, 11, "x", limits, revision=1, epoch="two", shared=11))
    hears(chat, f.Live(11))
    assert "Enter once more replies to what bob said before that" in held(chat, "/reply yes")
