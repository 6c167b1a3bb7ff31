"""Completion with Tab."""

from __future__ import annotations

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from chatcli.client.tui.input.completer import LineCompleter, Surroundings

SURROUNDINGS = Surroundings(
    {"Roberta": "here", "bob": "not here", "straße": "away", "Élodie": "here"},
    {"#dev": False, "#Ops": True},
    {"11": ("yes", "not now", "decline"), "12": ("soup", "salad")},
)


def completions(line: str) -> list[tuple[str, str, str]]:
    """Return the completions of a line, with their display text and description."""
    found = LineCompleter(lambda: SURROUNDINGS).get_completions(Document(line), CompleteEvent())
    return [
        (line[: len(line) + one.start_position] + one.text, one.display_text, one.display_meta_text) for one in found
    ]


def completed(line: str) -> list[str]:
    """Return the completions of a line."""
    return [text for text, _, _ in completions(line)]


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("rob", ["Roberta: "]),
        ("STRASS", ["straße: "]),
        ("elo", ["Élodie: "]),
        ("ÉLO", ["Élodie: "]),
        ("e\u0301l", ["Élodie: "]),
        ("#o", ["#Ops: "]),
        ("#", ["#dev: ", "#Ops: "]),
        ("b", ["bob: ", "back"]),
        ("/hi", ["/history"]),
        ("/QUIT", ["/quit"]),
        ("/ed", ["/edit"]),
        ("/reply b", ["/reply bob"]),
        ("/answer ", ["/answer yes", "/answer not now", "/answer decline"]),
        ("/answer N", ["/answer not now"]),
        ("/answer 12 s", ["/answer 12 soup", "/answer 12 salad"]),
        ("/reply bob r", []),
        ("/quiet o", ["/quiet off"]),
        ("/quiet off b", ["/quiet off bob"]),
        ("/kick b", ["/kick bob"]),
        ("/kick #o", ["/kick #Ops"]),
        ("/kick #Ops ro", ["/kick #Ops Roberta"]),
        ("/kick bob #o", ["/kick bob #Ops"]),
        ("/kick bob r", []),
        ("/kick #Ops bob #", []),
        (
            "/history ",
            [
                "/history Roberta",
                "/history bob",
                "/history straße",
                "/history Élodie",
                "/history #dev",
                "/history #Ops",
            ],
        ),
        ("/history bob ", []),
        ("/room #", ["/room #dev", "/room #Ops"]),
        ("/join --a", ["/join --announce"]),
        ("/join --", ["/join --private", "/join --announce"]),
        ("/join --private #o", ["/join --private #Ops"]),
        ("/join --private --", []),
        ("/help mu", ["/help mute"]),
        ("/help /unm", ["/help unmute"]),
        ("/search disk fr", ["/search disk from:"]),
        ("/search disk from:el", ["/search disk from:Élodie"]),
        ("/search in:#o", ["/search in:#Ops"]),
        ("/search in:b", ["/search in:bob"]),
        ("/search from:bob in:#d", ["/search from:bob in:#dev"]),
        ("/search disk b", []),
        ("/leave r", []),
        ("/away b", []),
        ("/mute #Ops bob b", []),
        ("/nothing b", []),
        ("bob: r", []),
        ("bob:r", []),
        ("hello b", []),
        ("kick b", []),
        ("bob: ask @ro", ["bob: ask @Roberta "]),
        ("bob: (@el", ["bob: (@Élodie "]),
        ("first line\n@b", ["first line\n@bob "]),
        ("first line\nb", []),
        ("@b", ["@bob "]),
        ("write to me@b", []),
        ("/away ask @b", ["/away ask @bob "]),
    ],
)
def test_the_start_of_a_word_is_completed(line: str, lines: list[str]) -> None:
    """People, rooms and commands begin a line; behind a command stands what it takes; within text only mentions are."""
    assert completed(line) == lines


def test_the_list_says_who_is_here() -> None:
    """The likeliest come first, each with where they are, and rooms with whether they are one's own."""
    assert [(shown, beside) for _, shown, beside in completions("/history ")] == [
        ("Roberta", "here"),
        ("bob", "not here"),
        ("straße", "away"),
        ("Élodie", "here"),
        ("#dev", "a room"),
        ("#Ops", "your room"),
    ]
