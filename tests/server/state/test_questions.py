"""Questions with choices: asking, answering, the answer that counts, and waiting for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Final

import pytest

from chatcli.server.limits import Limits
from tests.support import Caller, Frame, ThreadServer, eventually, new_id, pass_time, sessions_of

YES_NO = ["yes", "no"]
_SEEN: Final = "A choice is one line of characters that can be seen"


@pytest.fixture
def script(server: ThreadServer, alice: Caller) -> Iterator[Caller]:
    """A script of Alice's that asks and waits."""
    with server.joined("alice", "send") as caller:
        yield caller


def asks(caller: Caller, to: str, text: str = "Deploy?", choices: list[str] = YES_NO, **more: object) -> int:
    """Ask a question, and return its place in the log."""
    fields: dict[str, Any] = {"choices": choices, **more}
    identity = caller.sends(to, text, **fields)
    return int(caller.hears("sent", id=identity)["seq"])


def answers(caller: Caller, to: str, question: int, answer: int, identity: str | None = None) -> Frame:
    """Answer a question, and return the server's answer."""
    identity = identity or new_id()
    caller.says("send", id=identity, to=to, re=question, answer=answer)
    while (frame := caller.next()) is not None and frame.get("id") != identity:
        assert frame["t"] in {"message", "presence", "receipt", "read", "live", "happened"}, frame
    assert frame is not None
    return frame


def query(caller: Caller, tag: str, **fields: object) -> Frame:
    """Send a request, and return its answer, after any messages."""
    caller.says(tag, n=9, **fields)
    while (frame := caller.next()) is not None and frame.get("n") != 9:
        pass
    assert frame is not None
    return frame


def test_question_and_answer(alice: Caller, bob: Caller) -> None:
    """Both are messages of the conversation, live and in the history; the words of an answer are the server's."""
    seq = asks(alice, "bob", seconds=60)
    question = bob.hears("message", seq=seq, text="Deploy?", choices=YES_NO)
    assert question["until"] == question["at"] + 60_000
    bob.sends("alice", "whatever", re=seq, answer=1)
    bob.hears("sent")
    answer = alice.hears("message", text="no", re=seq, answer=1)
    page = query(alice, "history", of="bob")["messages"]
    assert page == [question, answer]
    assert query(alice, "search", text="no")["messages"] == [answer]


def test_question_without_seconds(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """It stays open, may be to oneself, and may itself be a reply."""
    first = asks(alice, "bob")
    assert "until" not in bob.hears("message")
    pass_time(server, 40 * 86_400)
    assert answers(bob, "alice", first, 0)["t"] == "sent"
    alice.hears("message")
    second = asks(alice, "alice", re=asks(alice, "alice"))
    assert answers(alice, "alice", second, 1)["t"] == "sent"
    assert answers(alice, "alice", asks(alice, "alice"), -1)["t"] == "sent"
    assert [one["text"] for one in query(alice, "history", of="alice")["messages"]][-3:] == [
        "no",
        "Deploy?",
        "declined",
    ]


def test_empty_list_of_choices(alice: Caller, bob: Caller) -> None:
    """It is a normal message, as if the list had been left out."""
    alice.sends("bob", "Deploy?", choices=[])
    assert alice.hears("sent")["seq"] == bob.hears("message")["seq"]
    assert "choices" not in query(alice, "history", of="bob")["messages"][-1]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"choices": ["yes"]}, "A question has 2 to 9 choices, and this one has 1."),
        ({"choices": [str(number) for number in range(10)]}, "A question has 2 to 9 choices, and this one has 10."),
        ({"choices": ["yes", "YES "]}, 'The choices must differ, and "YES " is there twice.'),
        ({"choices": ["yes", ""]}, "A choice cannot be empty."),
        ({"choices": ["yes", " "]}, "A choice cannot be empty."),
        ({"choices": ["yes", "n\no"]}, f'{_SEEN}, and "n␤o" has U+000A in it.'),
        ({"choices": ["yes", "\x1b[2J"]}, f'{_SEEN}, and "␛[2J" has U+001B in it.'),
        ({"choices": ["yes", "yes\u200b"]}, f'{_SEEN}, and "yes\u200b" has U+200B in it.'),
        ({"choices": ["no", "\u202eon"]}, f'{_SEEN}, and "<U+202E>on" has U+202E in it.'),
        ({"choices": ["caf\xe9", "cafe\u0301"]}, 'The choices must differ, and "cafe\u0301" is there twice.'),
        ({"choices": ["yes", "x" * 61]}, f"A choice has 60 characters at most, and one has 61: {'x' * 60}…"),
        ({"choices": YES_NO, "seconds": 0}, "A question is open for 1 to 2592000 seconds, which is 30 days."),
        ({"choices": YES_NO, "seconds": 2_592_001}, "A question is open for 1 to 2592000 seconds, which is 30 days."),
        ({"seconds": 60}, "Only a question can have seconds: give it choices."),
        (
            {"answer": 0, "re": 1, "seconds": 9},
            "An answer names its question in re, and has neither choices nor seconds of its own.",
        ),
        ({"answer": 0}, "An answer names its question in re, and has neither choices nor seconds of its own."),
        (
            {"answer": 0, "re": 1, "choices": YES_NO},
            "An answer names its question in re, and has neither choices nor seconds of its own.",
        ),
    ],
)
def test_bad_questions_and_answers(alice: Caller, bob: Caller, fields: dict[str, Any], sentence: str) -> None:
    """The error has the id of the message and the limit; nothing is stored."""
    identity = alice.sends("bob", "Deploy?", **fields)
    assert alice.hears("error") == {"t": "error", "code": "invalid", "text": sentence, "id": identity}
    assert query(alice, "history", of="bob")["messages"] == []


def test_longest_question(alice: Caller, bob: Caller) -> None:
    """Nine choices of sixty characters, for thirty days, are allowed."""
    choices = [str(number) + "🎉" * 59 for number in range(9)]
    asks(alice, "bob", choices=choices, seconds=2_592_000)
    bob.hears("message", choices=choices)


def test_first_answer_counts(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """A second answer is refused, and nothing is stored."""
    seq = asks(alice, "bob")
    assert answers(bob, "alice", seq, 1)["t"] == "sent"
    again = answers(bob, "alice", seq, 0)
    assert (again["code"], again["text"]) == ("not_open", "You have answered that already: no.")
    withdrawn = answers(alice, "bob", seq, -1)
    assert (withdrawn["code"], withdrawn["text"]) == ("not_open", "bob has answered that already: no.")
    assert [one.get("answer") for one in query(alice, "history", of="bob")["messages"]] == [None, 1]


def test_decline(alice: Caller, bob: Caller) -> None:
    """A decline is an answer, too."""
    seq = asks(alice, "bob")
    assert answers(bob, "alice", seq, -1)["t"] == "sent"
    alice.hears("message", text="declined", answer=-1, re=seq)
    assert answers(bob, "alice", seq, 0)["text"] == "You have declined to answer that."
    assert answers(alice, "bob", seq, -1)["text"] == "bob has declined to answer that."


def test_withdrawal(alice: Caller, bob: Caller) -> None:
    """Askers may withdraw their questions to others, and not answer them."""
    seq = asks(alice, "bob")
    assert answers(alice, "bob", seq, 0)["code"] == "not_allowed"
    assert answers(alice, "bob", seq, -1)["t"] == "sent"
    bob.hears("message", seq=seq)
    bob.hears("message", text="withdrawn", answer=-1, re=seq)
    assert answers(bob, "alice", seq, 0)["text"] == "alice has withdrawn that question."
    assert answers(alice, "bob", seq, -1)["text"] == "You have withdrawn that question."


def test_late_answer(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """By the server's clock it is refused, and so is a late withdrawal."""
    seq = asks(alice, "bob", seconds=60)
    pass_time(server, 61)
    for caller, to, answer in ((bob, "alice", 0), (bob, "alice", -1), (alice, "bob", -1)):
        refusal = answers(caller, to, seq, answer)
        assert (refusal["code"], refusal["text"]) == ("not_open", "That question's time is over.")


def test_answer_that_is_written_too_late(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """The log decides by the time of the answer, and the refusal says the same."""
    seq = asks(alice, "bob", seconds=60)

    def set_clock() -> None:
        clock = server.hub.clock
        server.hub.clock = lambda: clock() + 61_000  # that by which messages are stamped, and not that of the check

    server.run(set_clock)
    refusal = answers(bob, "alice", seq, 0)
    assert (refusal["code"], refusal["text"]) == ("not_open", "That question's time is over.")
    assert len(query(alice, "history", of="bob")["messages"]) == 1


def test_repeated_answer(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """A retry is answered as the first time, also after the timeout, a mute or a restart."""
    seq = asks(alice, "bob", seconds=60)
    identity = new_id()
    first = answers(bob, "alice", seq, 0, identity)
    assert answers(bob, "alice", seq, 0, identity)["seq"] == first["seq"]
    pass_time(server, 61)
    assert answers(bob, "alice", seq, 0, identity)["seq"] == first["seq"]
    server.run(lambda: server.hub.moderation.impose("mute", "bob"))
    assert answers(bob, "alice", seq, 0, identity)["seq"] == first["seq"]
    assert answers(bob, "alice", seq, 1)["code"] == "muted"
    alice.hang_up()
    bob.hang_up()
    server.stop()
    with ThreadServer(server.data) as again, again.joined("bob") as later:
        assert answers(later, "alice", seq, 0, identity)["seq"] == first["seq"]


def test_answer_of_a_stranger(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """Only the recipient may answer, in the same conversation; others do not learn that there is a question."""
    seq = asks(alice, "bob")
    with server.joined("eve") as eve:
        eve.enters("#ops")
        for to in ("alice", "bob", "eve", "#ops"):
            assert answers(eve, to, seq, 0)["code"] == "unknown_reply"
    query(bob, "join", room="#ops")
    assert answers(bob, "#ops", seq, 0)["code"] == "unknown_reply"
    assert answers(bob, "alice", seq, 0)["t"] == "sent"


def test_answer_must_fit(alice: Caller, bob: Caller) -> None:
    """The message must be a question, and have that choice."""
    seq = asks(alice, "bob")
    refusal = answers(bob, "alice", seq, 2)
    assert (refusal["code"], refusal["text"]) == ("invalid", "There is no choice 2: the first is 0, and the last 1.")
    assert answers(bob, "alice", seq + 1, 0)["code"] == "unknown_reply"
    bob.sends("alice", "lunch?")
    plain = bob.hears("sent")["seq"]
    for caller, to in ((alice, "bob"), (bob, "alice")):
        refusal = answers(caller, to, plain, 0)
        assert refusal["text"] == f"Message {plain} is not a question: answer it without a choice."
    answer = answers(bob, "alice", seq, 0)["seq"]
    assert answers(alice, "bob", answer, 0)["code"] == "invalid"


def test_answer_in_a_room(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """All members but the asker may answer; nobody can decline for all; others may not answer."""
    with server.joined("carol") as carol, server.joined("eve") as eve:
        for caller in (alice, bob, carol):
            caller.enters("#ops")
        seq = asks(alice, "#ops")
        assert answers(eve, "#ops", seq, 0)["text"] == "Only those who belong to #ops may answer there: join it first."
        assert answers(alice, "#ops", seq, 0)["code"] == "not_allowed"
        declined = answers(bob, "#ops", seq, -1)
        assert declined["code"] == "not_allowed"
        assert declined["text"] == "Nobody can decline for all of #ops: leave it to the others."
        assert answers(carol, "#ops", seq, 0)["t"] == "sent"
        assert answers(bob, "#ops", seq, 1)["text"] == "carol has answered that already: yes."
        second = asks(eve, "#ops")
        assert answers(eve, "#ops", second, -1)["t"] == "sent"
        assert answers(bob, "#ops", second, 1)["text"] == "eve has withdrawn that question."


def test_answers_need_permission(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """Answers follow the rules of rooms like all messages."""
    alice.enters("#news", kind="announcement")
    bob.enters("#news")
    seq = asks(alice, "#news")
    assert answers(bob, "#news", seq, 0)["code"] == "not_allowed"
    alice.enters("#ops")
    bob.enters("#ops")
    seq = asks(alice, "#ops")
    query(alice, "operate", do="mute", to="bob", room="#ops")
    assert answers(bob, "#ops", seq, 0)["code"] == "muted"
    query(alice, "operate", do="ban", to="bob", room="#ops")
    assert answers(bob, "#ops", seq, 0)["code"] == "banned"


def test_wait_for_answer(script: Caller, bob: Caller) -> None:
    """The answer comes at once if there is one, and otherwise as soon as there is."""
    seq = asks(script, "bob")
    assert query(script, "answers", re=seq) == {"t": "answer", "re": seq, "n": 9}
    assert answers(bob, "alice", seq, 1)["t"] == "sent"
    told = script.hears("answer", re=seq)
    assert "n" not in told
    assert (told["message"]["from"], told["message"]["answer"], told["message"]["text"]) == ("bob", 1, "no")
    assert query(script, "answers", re=seq) == {**told, "n": 9}


def test_wait_for_answer_through_a_restart(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """A question from before a restart can be answered after it."""
    seq = asks(alice, "bob")
    alice.hang_up()
    bob.hang_up()
    server.stop()
    with ThreadServer(server.data) as again, again.joined("alice", "query") as waiting, again.joined("bob") as later:
        assert "message" not in query(waiting, "answers", re=seq)
        assert answers(later, "alice", seq, 0)["t"] == "sent"
        assert waiting.hears("answer", re=seq)["message"]["answer"] == 0


def test_wait_and_answer_at_once(server: ThreadServer) -> None:
    """The answer comes once, whether the log is read before or after it is written."""
    with server.joined("alice") as alice, server.joined("alice", "send") as script:
        for _ in range(50):
            seq = asks(script, "alice")
            alice.says("send", id=new_id(), to="alice", re=seq, answer=0)
            script.says("answers", re=seq, n=9)
            first = script.hears("answer", re=seq, n=9)
            told = first if "message" in first else script.hears("answer", re=seq)
            assert told["message"]["answer"] == 0
            script.says("ping", n=1)
            script.hears("pong")


def test_wait_is_for_the_asker(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """The recipient may not wait for the answer; strangers do not learn that there is a question."""
    seq = asks(alice, "bob")
    assert query(bob, "answers", re=seq)["code"] == "not_allowed"
    with server.joined("eve") as eve:
        for number in (seq, seq + 1, 0, 2**60):
            assert query(eve, "answers", re=number)["code"] == "invalid"
        answers(bob, "alice", seq, 0)
        eve.says("ping")
        eve.hears("pong")
    with server.connect() as nobody:
        nobody.says("hello", version=1, purpose="query")
        nobody.hears("welcome")
        assert query(nobody, "answers", re=seq)["code"] == "not_allowed"
        assert query(nobody, "unread")["code"] == "not_allowed"
    assert server.run(lambda: not server.hub.questions._waiting)


def test_wait_after_a_kick(server: ThreadServer, alice: Caller) -> None:
    """A user who has left the room does not get the answer."""
    alice.enters("#attic", kind="private")
    with server.joined("bob") as bob:
        query(alice, "operate", do="invite", to="bob", room="#attic")
        bob.enters("#attic")
        seq = asks(bob, "#attic")
        assert "message" not in query(bob, "answers", re=seq)
        query(alice, "operate", do="kick", to="bob", room="#attic")
        assert answers(alice, "#attic", seq, 0)["t"] == "sent"
        assert query(bob, "answers", re=seq)["code"] == "invalid"
        bob.says("ping")
        bob.hears("pong")


def test_limit_of_waits(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """One more is refused; answered questions, and those of ended connections, do not count."""
    with server.joined("alice", "send") as script:
        seqs = [asks(script, "bob") for _ in range(101)]
        for seq in seqs[:100]:
            assert query(script, "answers", re=seq)["t"] == "answer"
        assert query(script, "answers", re=seqs[100])["code"] == "too_many"
        assert query(script, "answers", re=seqs[0])["t"] == "answer"
        assert answers(bob, "alice", seqs[7], 0)["t"] == "sent"
        script.hears("answer", re=seqs[7])
        assert query(script, "answers", re=seqs[100])["t"] == "answer"
    eventually(lambda: server.run(lambda: not server.hub.questions._waiting and not server.hub.questions._awaited))


def test_wait_ends_with_the_question(server: ThreadServer, script: Caller) -> None:
    """A connection asks as many questions as it likes, one after the other."""
    seqs = [asks(script, "alice", seconds=60) for _ in range(101)]
    for seq in seqs[:100]:
        assert query(script, "answers", re=seq)["t"] == "answer"
    assert query(script, "answers", re=seqs[100])["code"] == "too_many"
    pass_time(server, 61)
    assert query(script, "answers", re=seqs[100])["t"] == "answer"
    assert server.run(lambda: len(server.hub.questions._waiting)) == 1


def test_hundred_answers_at_once(server: ThreadServer, alice: Caller) -> None:
    """One counts; all others learn which was first; the log has one."""
    crowd = [server.joined(f"user{number}", "send") for number in range(100)]
    alice.enters("#ops")
    for caller in crowd:
        caller.enters("#ops")
    seq = asks(alice, "#ops", choices=["one", "two"])
    outcomes: list[Frame] = []
    ready = threading.Barrier(10)

    def answer(callers: list[Caller]) -> None:
        ready.wait()
        for caller in callers:
            caller.says("send", id=new_id(), to="#ops", re=seq, answer=1)
        for caller in callers:
            while (frame := caller.next()) and frame["t"] not in {"sent", "error"}:
                pass
            outcomes.append(frame or {})

    threads = [threading.Thread(target=answer, args=(crowd[start::10],)) for start in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for caller in crowd:
        caller.hang_up()
    refused = [outcome for outcome in outcomes if outcome["t"] == "error"]
    assert (len(outcomes), len(refused)) == (100, 99)
    assert {outcome["code"] for outcome in refused} == {"not_open"}
    winner = alice.hears("message", re=seq)["from"]
    assert {outcome["text"] for outcome in refused} == {f"{winner} has answered that already: two."}
    assert query(alice, "answers", re=seq)["message"]["from"] == winner
    assert len(query(alice, "history", of="#ops")["messages"]) == 2


def test_questions_count_at_full_size(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Choices count like text while they are in flight, and the count is zero in the end."""
    with ThreadServer(tmp_path_factory.mktemp("data") / "d", Limits(in_flight=4096)) as server:
        with server.joined("alice", "send") as alice:
            choices = [str(number) * 60 for number in range(9)]
            for _ in range(50):
                alice.sends("alice", "?", choices=choices)
            seqs = [alice.hears("sent")["seq"] for _ in range(50)]
            for seq in seqs:
                alice.says("send", id=new_id(), to="alice", re=seq, answer=8, text="x" * 999)
            for _ in seqs:
                alice.hears("sent")
            (session,) = server.run(lambda: sessions_of(server))
            assert session.flow.in_flight == 0
            assert server.run(lambda: server.hub.log.pending_bytes) == 0
