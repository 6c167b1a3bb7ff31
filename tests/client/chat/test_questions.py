"""Questions and answers in the core of the interactive client."""

from __future__ import annotations

import itertools

import pytest

from chatcli.client.chat.arrival import Arrival
from chatcli.client.chat.events import Answer, Event, Shown, Trouble
from chatcli.client.interactive.render import plain, render
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from tests.client.chat.dialogue import LIMITS, Dialogue, receives, types
from tests.client.interactive.test_render import TODAY


class Clocks:
    """A client's two clocks."""

    def __init__(self) -> None:
        self.seconds = 5.0
        self.wall = 1_000_000  # milliseconds


@pytest.fixture
def clocks() -> Clocks:
    """Alice's clocks."""
    return Clocks()


def new_chat(clocks: Clocks) -> Dialogue:
    """Return Alice's chat, a member of #ops, after the welcome and before the missed messages."""
    numbers = itertools.count(1)
    chat = Dialogue("alice", lambda: f"id-{next(numbers)}", lambda: clocks.wall, Arrival(), lambda: clocks.seconds)
    chat.connected(f.Welcome("alice", 10, 4, "chatcli/1", LIMITS, ["#ops"]))
    return chat


@pytest.fixture
def chat(clocks: Clocks) -> Dialogue:
    """Alice, with no missed messages."""
    chat = new_chat(clocks)
    receives(chat, [f.Live(4)])
    return chat


def question(seq: int, sender: str = "ci", to: str = "alice", text: str = "Deploy?", **more: object) -> f.Message:
    """Return a question that is open for a minute, from a server whose clock is far ahead."""
    message = f.Message(seq, f"q-{seq}", sender, to, text, 9_000_000, choices=["yes", "not now"], until=9_060_000)
    for field, value in more.items():
        setattr(message, field, value)
    return message


def answer(seq: int, re: int, sender: str, to: str, choice: int = 0, text: str = "yes") -> f.Message:
    """Return an answer as the server delivers it."""
    return f.Message(seq, f"a-{seq}", sender, to, text, 9_000_000, re, answer=choice)


def open_ones(chat: Dialogue) -> list[int]:
    """Return the places of the user's open questions."""
    return [question.seq for question in chat.questions.open()]


def text(event: Event) -> str:
    """Return an event as a line."""
    return plain(render(event, TODAY))


def refusal(chat: Dialogue, line: str) -> str:
    """Return the reason for refusing a line."""
    events, frames = types(chat, line)
    assert not frames
    (trouble,) = events
    assert isinstance(trouble, Trouble)
    return str(trouble.error)


def test_question_is_shown_and_waits(chat: Dialogue) -> None:
    """The choices are shown; a local clock far behind the server's does not matter."""
    (said,) = receives(chat, [question(11)])[0]
    assert isinstance(said, Shown)
    assert said.open
    assert said.notable
    assert text(said).endswith("ci → you  Deploy?   [1] yes  [2] not now")
    assert open_ones(chat) == [11]


def test_question_to_a_room(chat: Dialogue) -> None:
    """It waits for members except the asker; own questions to oneself from another device wait, too."""
    (said,) = receives(chat, [question(11, to="#ops")])[0]
    assert isinstance(said, Shown)
    assert said.notable
    (own,) = receives(chat, [question(12, "alice", "#ops")])[0]
    assert isinstance(own, Shown)
    assert not own.open
    receives(chat, [question(13, "alice", "bob")])
    assert open_ones(chat) == [11]
    (to_oneself,) = receives(chat, [question(14, "alice")])[0]
    assert isinstance(to_oneself, Shown)
    assert to_oneself.open
    assert to_oneself.notable
    assert not to_oneself.mine
    receives(chat, [f.Happened("#ops", "kicked", "alice", "ci")])
    assert open_ones(chat) == [14]


@pytest.mark.parametrize(
    ("line", "choice", "words"),
    [
        ("/answer yes", 0, "yes"),
        ("/answer 1", 0, "yes"),
        ("/answer [2]", 1, "not now"),
        ("/answer NOT   now", 1, "not now"),
        ("/answer decline", -1, "declined"),
        ("/answer 0", -1, "declined"),
        ("/answer 11 2", 1, "not now"),
        ("/answer ci: not now", 1, "not now"),
        ("/answer CI 0", -1, "declined"),
    ],
)
def test_answer_in_words_or_by_number(chat: Dialogue, line: str, choice: int, words: str) -> None:
    """The answer goes to the asker, and the question is done."""
    receives(chat, [question(11)])
    assert types(chat, line) == ([], [f.Send("id-1", "ci", words, 11, answer=choice)])
    assert open_ones(chat) == []
    (said,) = receives(chat, [f.Sent("id-1", 12, 9_000_000, "stored")])[0]  # without requests for online users
    told = 'answered "yes"' if choice == 0 else 'answered "not now"' if choice == 1 else "declined"
    assert text(said).endswith(f'you → ci  ↳ "Deploy?"  {told}')
    assert "No question is open" in refusal(chat, "/answer yes")


def test_choice_like_a_number(chat: Dialogue) -> None:
    """A typed number is first the words of a choice; in brackets it is a position."""
    receives(chat, [question(11, choices=["2", "1"])])
    assert types(chat, "/answer 2")[1] == [f.Send("id-1", "ci", "2", 11, answer=0)]
    receives(chat, [question(12, choices=["2", "1"])])
    assert types(chat, "/answer 12 [2]")[1] == [f.Send("id-2", "ci", "1", 12, answer=1)]


def test_unknown_choice(chat: Dialogue) -> None:
    """One sentence has all choices; a room's question cannot be declined."""
    receives(chat, [question(11), question(12, "bob", "#ops", "Lunch?")])
    assert refusal(chat, "/answer maybe") == (
        '"maybe" is not an answer to "Deploy?": write /answer and one of "yes", "not now", "decline", or its number.'
    )
    assert refusal(chat, "/answer bob decline") == (
        '"decline" is not an answer to "Lunch?": write /answer 12 and one of "yes", "not now", or its number.'
    )
    assert refusal(chat, "/answer 12").startswith('The answer is missing to "Lunch?"')
    assert '"3" is not an answer to "Deploy?"' in refusal(chat, "/answer 3")
    assert '"²" is not an answer' in refusal(chat, "/answer ²")


def test_oldest_question_is_meant(chat: Dialogue) -> None:
    """The others wait; the command alone lists all."""
    receives(chat, [question(11), question(12, "bob", "#ops", "Lunch?")])
    assert types(chat, "/answer")[0] == [
        Answer("11  ci: Deploy?   [1] yes  [2] not now"),
        Answer("12  bob in #ops: Lunch?   [1] yes  [2] not now"),
    ]
    assert types(chat, "/answer #OPS 1")[1] == [f.Send("id-1", "#ops", "yes", 12, answer=0)]
    assert types(chat, "/answer 1")[1] == [f.Send("id-2", "ci", "yes", 11, answer=0)]


def test_question_answered_by_others(chat: Dialogue) -> None:
    """A member, another device or a withdrawal closes it, each with its own notice."""
    receives(chat, [question(11, to="#ops"), question(12), question(13)])
    (theirs,) = receives(chat, [answer(14, 11, "bob", "#ops", 1, "not now")])[0]
    assert text(theirs).endswith('#ops  bob  ↳ "Deploy?"  answered "not now"')
    assert open_ones(chat) == [12, 13]
    (own,) = receives(chat, [answer(15, 12, "alice", "ci")])[0]
    assert text(own).endswith('you → ci  ↳ "Deploy?"  answered "yes"')
    assert open_ones(chat) == [13]
    (withdrawn,) = receives(chat, [answer(16, 13, "ci", "alice", -1, "withdrawn")])[0]
    assert text(withdrawn).endswith('ci → you  ↳ "Deploy?"  withdrawn')
    assert open_ones(chat) == []


def test_question_times_out(chat: Dialogue, clocks: Clocks) -> None:
    """A question closes after its time by the monotonic clock."""
    receives(chat, [question(11)])
    clocks.wall = 0
    clocks.seconds += 59
    assert chat.questions.changes_in() == 1
    assert open_ones(chat) == [11]
    clocks.seconds += 1
    assert open_ones(chat) == []
    assert chat.questions.changes_in() is None


def test_missed_questions(clocks: Clocks) -> None:
    """Of missed questions only open ones wait."""
    chat = new_chat(clocks)
    old, recent, answered = question(5, until=999_000), question(6, until=1_030_000), question(7, until=1_030_000)
    events, _ = receives(chat, [old, recent, answered, answer(8, 7, "alice", "ci"), f.Live(8)])
    assert [event.open for event in events if isinstance(event, Shown)] == [False, True, False, False]
    assert open_ones(chat) == [6]
    clocks.seconds += 30
    assert open_ones(chat) == []


def test_questions_in_a_history(chat: Dialogue) -> None:
    """An open question from an earlier session can be answered once a history shows it."""
    (asked,) = types(chat, "/history ci")[1]
    assert isinstance(asked, f.History)
    page = [question(7, until=1_030_000), answer(8, 7, "alice", "ci"), question(9, until=1_030_000)]
    events, _ = receives(chat, [f.HistoryPage("ci", page, more=False, n=asked.n)])
    assert [text(event).partition("  ")[2] for event in events[1:]] == [
        "Deploy?   [1] yes  [2] not now",
        '↳ "Deploy?"  answered "yes"',
        "Deploy?   [1] yes  [2] not now",
    ]
    assert open_ones(chat) == [9]


def test_refused_answer(chat: Dialogue) -> None:
    """It does not return to the input line; the question waits on unless it is over."""
    receives(chat, [question(11, to="#ops"), question(12, to="#ops")])
    types(chat, "/answer yes")
    (trouble,) = receives(chat, [f.Error(codes.NOT_OPEN, "carol has answered that already.", "id-1")])[0]
    assert isinstance(trouble, Trouble)
    assert str(trouble.error) == "Not answered: carol has answered that already."
    assert open_ones(chat) == [12]
    types(chat, "/answer yes")
    assert open_ones(chat) == []
    receives(chat, [f.Error(codes.MUTED, "You are muted.", "id-2")])
    assert open_ones(chat) == [12]
    assert not chat.returned
    assert not chat.outgoing


def test_answer_after_a_reconnect(chat: Dialogue) -> None:
    """The answer is sent again with its id."""
    receives(chat, [question(11)])
    (said,) = types(chat, "/answer yes")[1]
    assert said in chat.connected(f.Welcome("alice", 14, 12, "chatcli/1", LIMITS))


def test_answering_keeps_the_conversation(chat: Dialogue) -> None:
    """The next text goes where the last one went."""
    types(chat, "/to bob")
    receives(chat, [question(11)])
    types(chat, "/answer yes")
    assert chat.conversations.current == "bob"


def test_control_characters_in_choices(chat: Dialogue) -> None:
    """They are harmless in the message and in the waiting question."""
    (said,) = receives(chat, [question(11, text="a\x1b[2J", choices=["\x1b[1m", "b\nc"])])[0]
    assert "\x1b" not in plain(render(said, TODAY))
    assert chat.questions.open()[0].choices == ("␛[1m", "b␤c")
    assert chat.questions.open()[0].text == "a␛[2J"


def test_question_without_a_timeout(chat: Dialogue, clocks: Clocks) -> None:
    """It stays open until an answer."""
    receives(chat, [question(11, until=None)])
    clocks.seconds += 10**9
    assert open_ones(chat) == [11]
    assert chat.questions.changes_in() is None
