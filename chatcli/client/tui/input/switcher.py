"""Opens conversations by their number in the toolbar, and the next or previous one."""

from __future__ import annotations

from collections.abc import Callable

from chatcli.client.chat.conversations import Conversations


class Switcher:
    """Opens conversations.

    Args:
        conversations: those of the chat.
        switched: called after another conversation was opened.
    """

    def __init__(self, conversations: Conversations, switched: Callable[[], None]) -> None:
        self._conversations = conversations
        self._switched = switched
        self._cycle: list[str] = []  # the order of the steps, which stays until something is sent

    def end_cycle(self) -> None:
        """Start the next step from the conversations in their order then."""
        self._cycle = []

    def open(self, number: int) -> None:
        """Open the conversation with this number in the toolbar, counted from 1."""
        self.end_cycle()
        name = self._conversations.numbered_as(number)
        if not name:  # the drafts of earlier visits follow those that have numbers
            numbered = self._conversations.numbered()
            last = max((self._conversations.number(one) for one in numbered), default=0)
            name = dict(enumerate(self._with_drafts(numbered)[len(numbered) :], last + 1)).get(number, "")
        if name:
            self._switch(name)

    def step(self, by: int) -> None:
        """Open the conversation ``by`` places further: the most recent ones first at the first step."""
        names = self._with_drafts(self._conversations.ordered())
        self._cycle = [name for name in self._cycle if name in names]
        self._cycle += [name for name in names if name not in self._cycle]
        if self._cycle:
            current = self._conversations.current
            at = self._cycle.index(current) if current in self._cycle else -1 if by > 0 else 0
            self._switch(self._cycle[(at + by) % len(self._cycle)])

    def _with_drafts(self, names: list[str]) -> list[str]:
        """Return the conversations, followed by those of earlier visits that have drafts."""
        return [*names, *(name for name in self._conversations.drafts if name and name not in names)]

    def _switch(self, name: str) -> None:
        self._conversations.switch(name)
        self._switched()
