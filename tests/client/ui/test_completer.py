"""What Tab completes."""

from __future__ import annotations

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from chatcli.client.ui.completer import LineCompleter

PEOPLE = {"Roberta": True, "bob": False, "straße": True}
ROOMS = {"#dev": False, "#Ops": True}


def completed(line: str) -> list[str]:
    """Return what the line may become."""
    completer = LineCompleter(lambda: PEOPLE, lambda: ROOMS)
    found = completer.get_completions(Document(line), CompleteEvent())
    return [line[: len(line) + one.start_position] + one.text for one in found]


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("rob", ["Roberta: "]),
        ("STRASS", ["straße: "]),
        ("#o", ["#Ops: "]),
        ("#", ["#dev: ", "#Ops: "]),
        ("b", ["bob: ", "back"]),
        ("/hi", ["/history"]),
        ("/kick b", ["/kick bob"]),
        ("/kick #o", ["/kick #Ops"]),
        ("/kick #Ops ro", ["/kick #Ops Roberta"]),
        ("/history ", ["/history Roberta", "/history bob", "/history straße", "/history #dev", "/history #Ops"]),
        ("/room #", ["/room #dev", "/room #Ops"]),
        ("/leave r", []),
        ("/away b", []),
        ("/mute #Ops bob b", []),
        ("bob: r", []),
        ("bob:r", []),
        ("hello b", []),
        ("kick b", []),
    ],
)
def test_the_start_of_a_word_is_completed(line: str, lines: list[str]) -> None:
    """People, rooms and commands begin a line; behind a command stands what it takes; text is nobody's business."""
    assert completed(line) == lines
