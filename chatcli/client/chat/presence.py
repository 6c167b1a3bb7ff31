"""Who is here, as far as the user is told, and what of their coming and going is worth a line."""

from __future__ import annotations

from collections.abc import Callable

from chatcli.client.chat.events import Event, Notice
from chatcli.client.chat.phrases import listed
from chatcli.protocol import frames as f
from chatcli.protocol.text import printable_line


class Nearby:
    """The people of whose coming and going the server tells: those in the user's rooms, and those talked with.

    Attributes:
        here: who is in the chat.
        away: those of them who are away from the keyboard, and what they say of it.
    """

    def __init__(self) -> None:
        self.here: set[str] = set()
        self.away: dict[str, str] = {}
        self._expected: set[str] = set()  # those who were here before the connection broke

    def reconnected(self) -> None:
        """Begin on a new connection: its server has yet to find out who is still here."""
        self._expected = set(self.here)

    def counted(self, people: list[f.Person]) -> None:
        """Take a list of who is here."""
        self.here = {person.user for person in people}
        self.away = {person.user: person.text for person in people if person.state == "away"}

    def changed(self, frame: f.Presence, concerns: Callable[[str], bool]) -> list[Event]:
        """Take what the server says of coming and going; return what to show to the user.

        Args:
            frame: what the server says.
            concerns: whether the user wants to know of someone.
        """
        expected, self._expected = self._expected, self._expected - set(frame.here)
        came = [name for name in frame.here if name not in self.here | expected]
        back = [name for name in frame.here if name in self.here & self.away.keys()]
        left = [person for person in frame.away if self.away.get(person.user) != person.text]
        self.here.update(frame.here, (person.user for person in frame.away))
        self.here.difference_update(frame.gone)
        for name in (*frame.here, *frame.gone):
            self.away.pop(name, None)
        self.away.update((person.user, person.text) for person in frame.away)
        groups = ((came, "joined"), (frame.gone, "left"), (back, "back"))
        told = [(others, verb) for names, verb in groups if (others := [name for name in names if concerns(name)])]
        return [
            *(Notice(f"{listed(names)} {_verb(names, verb)}") for names, verb in told),
            *(
                Notice(f"{printable_line(person.user)} is away{_why(person)}")
                for person in left
                if concerns(person.user)
            ),
        ]


def _verb(names: list[str], verb: str) -> str:
    if verb != "back":
        return verb
    return "is back" if len(names) == 1 else "are back"


def _why(person: f.Person) -> str:
    return f" ({printable_line(person.text)})" if person.text else ""
