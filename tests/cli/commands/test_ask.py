"""``chatcli ask``: the answer on standard output, and its number as the exit status."""

from __future__ import annotations

import json
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.client.oneshot.impostor import Impostor, Line
from tests.here import run_here
from tests.support import Caller, Frame, Program, ThreadServer, chatcli, eventually, new_id, serving
from tests.terminal import Terminal


def ask(server: object, *arguments: str) -> Program:
    """Run ``chatcli ask`` as ci."""
    return Program("ask", *arguments, "--user", "ci", "--server", str(server))


def answers(caller: Caller, question: Frame, choice: int) -> Frame:
    """Answer a question, and return the server's answer."""
    to = question["to"] if question["to"].startswith("#") else question["from"]
    caller.sends(to, "", new_id(), re=question["seq"], answer=choice)
    while (frame := caller.next()) is not None and frame["t"] not in ("sent", "error"):
        pass
    assert frame is not None
    return frame


@pytest.mark.parametrize(("choice", "words"), [(0, "blue"), (1, "green, perhaps"), (5, "none")])
def test_status_is_the_number_of_the_choice(server: ThreadServer, choice: int, words: str) -> None:
    """Standard output has the words of the choice and nothing else."""
    choices = [f"--choice={one}" for one in ("blue", "green, perhaps", "c", "d", "e", "none")]
    with server.joined("bob") as bob, ask(server.address, "bob", "Which one?", *choices) as asking:
        question = bob.hears("message", text="Which one?", **{"from": "ci"})
        assert question["choices"] == ["blue", "green, perhaps", "c", "d", "e", "none"]
        assert question["until"] - question["at"] == 300_000
        answers(bob, question, choice)
        assert (asking.end(), asking.out) == (choice, [words])
        assert asking.err == ["chatcli: Asked bob: bob is here. Waiting up to 5m."]


def test_answer_with_one_key(server: ThreadServer) -> None:
    """A user answers in the interactive client with one key."""
    with Terminal("join", "--server", str(server.address), "--user", "bob") as bob:
        bob.shows("You are bob")
        with ask(server.address, "bob", "Deploy to prod?", "--quiet") as asking:
            bob.shows("ci → you  Deploy to prod?   [1] yes  [2] no")
            bob.types("/answer no\r")
            assert (asking.end(), asking.out, asking.err) == (1, ["no"], [])
            bob.shows('you → ci  ↳ "Deploy to prod?"  answered "no"')
            assert not any("not here" in line for line in bob.lines)


def test_answer_as_json(server: ThreadServer) -> None:
    """The object has user, choice, time and question; after a decline the choice is empty."""
    with server.joined("bob") as bob:
        with ask(server.address, "bob", "Deploy?", "--json") as asking:
            question = bob.hears("message")
            sent = answers(bob, question, 0)
            assert asking.end() == 0
        (line,) = asking.out
        told = json.loads(line)
        assert told.pop("at").startswith("20")
        assert told.pop("person")["state"] == "here"
        assert told == {"answer": "yes", "choice": 0, "by": "bob", "seq": sent["seq"], "question": question["seq"]}
        with ask(server.address, "bob", "Deploy?", "--json") as asking:
            answers(bob, bob.hears("message"), -1)
            assert asking.end() == 7
        told = json.loads(asking.out[0])
        assert (told["answer"], told["choice"], told["by"]) == (None, None, "bob")


def test_decline(server: ThreadServer) -> None:
    """It has a status of its own, and standard error says who has declined."""
    with server.joined("bob") as bob, ask(server.address, "bob", "Deploy?") as asking:
        answers(bob, bob.hears("message"), -1)
        assert (asking.end(), asking.out) == (7, [])
        assert asking.err[-1] == "chatcli: bob has declined."


def test_person_who_is_away(server: ThreadServer) -> None:
    """The sentence says so, and since when."""
    with server.joined("bob") as bob:
        bob.asks("away", text="lunch")
        with ask(server.address, "bob", "Deploy?") as asking:
            answers(bob, bob.hears("message"), 0)
            assert asking.end() == 0
        assert re.fullmatch(
            r"chatcli: Asked bob: bob has been away since \d\d:\d\d \(lunch\)\. Waiting .*", asking.err[0]
        )
        bob.asks("away", back=True)
        bob.says("idle")
        with ask(server.address, "bob", "Deploy?", "--json") as asking:
            answers(bob, bob.hears("message"), 0)
            assert asking.end() == 0
        assert "bob has been idle since" in asking.err[0]
        assert json.loads(asking.out[0])["person"]["idle"]


def test_timeout(server: ThreadServer) -> None:
    """The question is withdrawn: late answers are refused, and absent users got it all the same."""
    server.joined("bob").hang_up()
    with ask(server.address, "bob", "Deploy?", "--timeout", "1s") as asking:
        assert (asking.end(), asking.out) == (6, [])
    assert [re.sub(r"\d\d:\d\d", "12:04", line) for line in asking.err] == [
        "chatcli: Asked bob: bob has not been here since 12:04, and gets it on return. Waiting up to 1s.",
        "chatcli: No answer from bob within 1s. The question is closed.",
    ]
    with server.joined("bob") as bob:
        late = answers(bob, bob.hears("message", choices=["yes", "no"]), 0)
        assert (late["code"], late["text"]) == ("not_open", "That question's time is over.")


def test_first_answer_in_a_room(server: ThreadServer) -> None:
    """A second user learns whose answer counted; strangers and the same user again do not count."""
    with server.joined("bob") as bob, server.joined("carol") as carol, server.joined("eve") as eve:
        bob.enters("#ops")
        carol.enters("#ops")
        with ask(server.address, "#ops", "Deploy?", "--json") as asking:
            asking.complains("Asked #ops: somebody is there. Waiting up to 5m.")
            question = bob.hears("message")
            assert carol.hears("message") == question
            assert answers(eve, question, 1)["code"] == "not_allowed"
            assert answers(carol, question, -1)["code"] == "not_allowed"
            assert answers(carol, question, 0)["t"] == "sent"
            assert answers(bob, question, 1)["text"] == "carol has answered that already: yes."
            assert answers(carol, question, 1)["text"] == "You have answered that already: yes."
            assert asking.end() == 0
        assert json.loads(asking.out[0])["by"] == "carol"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_interrupt_withdraws_the_question(server: ThreadServer, number: int, status: int) -> None:
    """The other side is notified, and a later answer is refused."""
    with server.joined("bob") as bob, ask(server.address, "bob", "Deploy?") as asking:
        question = bob.hears("message")
        asking.complains("Asked bob")
        assert (asking.end(number), asking.out) == (status, [])
        assert "chatcli: The question is withdrawn." in asking.err
        assert bob.hears("message", re=question["seq"], answer=-1)["text"] == "withdrawn"
        assert answers(bob, question, 0)["text"] == "ci has withdrawn that question."


def test_interrupt_before_the_answer() -> None:
    """A question that may be stored is sent again for its place, and then withdrawn."""
    said: list[str] = []

    def silent(connection: socket.socket) -> None:
        line = Line(connection)
        line.hears("who")
        said.append(line.hears("send")["id"])
        asking.process.send_signal(signal.SIGINT)
        while connection.recv(65536):
            pass

    def answer(connection: socket.socket) -> None:
        line = Line(connection)
        frame = line.hears("send")
        said.append(frame["id"])
        line.says("sent", id=frame["id"], seq=7, at=1, outcome="stored")
        while (frame := line.next())["t"] != "send":
            pass
        assert (frame["re"], frame["answer"]) == (7, -1)
        line.says("sent", id=frame["id"], seq=8, at=1, outcome="stored")

    impostor = Impostor(silent, answer)
    with ask(impostor.address, "bob", "Deploy?") as asking:
        with impostor:
            assert (asking.end(), asking.out) == (130, [])
        assert asking.err[0] == "chatcli: The question is withdrawn."
    assert said == said[:1] * 2


def test_restart_of_the_server(tmp_path: Path) -> None:
    """The question is asked once, and an answer from meanwhile arrives over the next connection."""
    with serving(tmp_path) as (first, address):
        bob = Caller(address)
        bob.greets("bob")
        asking = ask(address, "bob", "Deploy?", "--timeout", "1m")
        bob.hears("welcome")
        with asking, bob:
            question = bob.hears("message")
            asking.complains("Asked bob")
            first.end(signal.SIGKILL)
            with serving(tmp_path, port=address.port), Caller(address) as back:
                back.greets("bob")
                back.hears("welcome")
                assert back.hears("message")["seq"] == question["seq"]
                answers(back, question, 1)
                assert (asking.end(), asking.out) == (1, ["no"])
                back.says("history", of="ci", n=9)
                texts = [message["text"] for message in back.hears("history")["messages"]]
                assert texts == ["Deploy?", "no"]


def test_server_stays_away(tmp_path: Path) -> None:
    """Status and sentence are those of a timeout with unknown result; the question is not asked again."""
    with serving(tmp_path) as (server, address):
        chatcli("send", "bob", "hi", "--user", "bob", "--server", str(address))
        with ask(address, "bob", "Deploy?", "--timeout", "1s") as asking:
            asking.complains("Asked bob")
            server.end(signal.SIGTERM)
            assert (asking.end(), asking.out) == (6, [])
    reason = f"No server answers at {address}: start one with"
    assert asking.err[-2].startswith(f"chatcli: Whether bob has answered is not known: {reason}")
    assert "Whether it has the message" not in asking.err[-2]
    assert asking.err[-1].startswith("    chatcli history bob --server ")


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["nobody", "Deploy?"], 3, 'Nobody called "nobody" was ever here'),
        (["#nowhere", "Deploy?"], 3, "#nowhere"),
        (["Roberta", "Deploy?", "--choice", "yes"], 2, "Give 2 to 6 choices, not 1"),
        (["Roberta", "Deploy?", *[f"--choice={number}" for number in range(7)]], 2, "Give 2 to 6 choices, not 7"),
        (["Roberta", "Deploy?", "--choice=yes", "--choice= YES"], 2, '--choice: The choices must differ, and " YES"'),
        (["Roberta", "Deploy?", "--choice=yes", f"--choice={'x' * 61}"], 2, "A choice has 60 characters at most"),
        (["Roberta", "Deploy?", "--choice=yes", "--choice=a\nb"], 2, "A choice is one line"),
        (["Roberta", "Deploy?", "--timeout", "31d"], 2, "can be open for 30d at most"),
        (["Roberta", "Deploy?", "--timeout", "soon"], 2, "is not a length of time"),
        (
            ["Roberta", "Deploy", "to", "prod?"],
            2,
            'more than one question. Put the text in quotes:\n    chatcli ask Roberta "Deploy to prod?"\n',
        ),
        (["Roberta"], 2, "Missing argument 'QUESTION'. Put the text in quotes:\n    chatcli ask "),
        (["Roberta", "Go?", "yes", "no"], 2, "Choices are written --choice yes --choice no."),
        (["Roberta", "Go?", "--choice", "yes,no"], 2, "Give --choice once for each: --choice yes --choice no."),
        ([], 2, "Missing argument 'TO'. A room is written in quotes"),
        (["Roberta", " "], 2, "There is no question to ask."),
        (["Roberta", "-"], 2, "There is no question to ask."),
        (["Roberta", "x" * 40_000], 4, "may have 32768 bytes"),
        (["Roberta", "Deploy?", "--server", "127.0.0.1:1"], 5, "chatcli serve"),
    ],
)
def test_errors(server: ThreadServer, arguments: list[str], status: int, sentence: str) -> None:
    """One sentence and a status, and nothing on standard output."""
    server.joined("Roberta").hang_up()
    done = run_here("ask", *arguments, CHATCLI_SERVER=str(server.address), CHATCLI_USER="ci")
    assert (done.returncode, done.stdout) == (status, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_question_from_standard_input(server: ThreadServer) -> None:
    """It may have several lines."""
    with server.joined("bob") as bob, ask(server.address, "bob", "-") as asking:
        asking.types("This will be deployed:\nabc123\n")
        assert asking.process.stdin is not None
        asking.process.stdin.close()
        question = bob.hears("message")
        assert question["text"] == "This will be deployed:\nabc123"
        answers(bob, question, 0)
        assert asking.end() == 0


def test_asking_oneself(server: ThreadServer) -> None:
    """A script under the user's own name gets the answer, or the decline, from their client."""
    with Terminal("join", "--server", str(server.address), "--user", "ci") as person:
        person.shows("You are ci")
        for line, status in (("/answer yes", 0), ("/answer decline", 7)):
            with ask(server.address, "ci", "Deploy?") as asking:
                asking.complains("Asked ci")
                eventually(lambda: any("  ?   ci: Deploy?" in line for line in person.lines))
                person.types(f"{line}\r")
                assert asking.end() == status
            eventually(lambda: not any("  ?   ci: Deploy?" in line for line in person.lines))
