"""The drafts of all conversations while the client runs, saved now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from chatcli.client.storage.drafts import Drafts
from chatcli.errors import InputError

_BETWEEN_SAVES: Final = 2.0  # seconds


class DraftKeeper:
    """Texts that were typed and not sent, by conversation.

    After the first error nothing is saved any more: the user can go on talking.

    Args:
        file: the file of drafts.
        drafts: the drafts of the conversations that are not open.
        current: returns the open conversation and its draft.
        report: called with the error when drafts cannot be loaded or saved.
    """

    def __init__(
        self,
        file: Drafts,
        drafts: dict[str, str],
        current: Callable[[], tuple[str, str]],
        report: Callable[[InputError], None],
    ) -> None:
        self._file = file
        self._drafts = drafts
        self._current = current
        self._report = report
        self._usable = True
        self._timer: asyncio.TimerHandle | None = None

    def load(self) -> dict[str, str]:
        """Add the drafts of earlier visits, and return them."""
        try:
            loaded = self._file.load()
        except InputError as error:
            self._fail(error)
            return {}
        for name, text in loaded.items():
            self._drafts.setdefault(name, text)
        return loaded

    def hidden(self, current: str) -> list[str]:
        """Return the conversations with a draft other than the open one."""
        return [name for name, text in self._drafts.items() if text.strip() and name != current]

    def pop(self, name: str) -> str:
        """Remove the draft of a conversation and return it; empty if there is no draft."""
        return self._drafts.pop(name, "")

    def store(self) -> None:
        """Put the draft of the open conversation with the others."""
        name, text = self._current()
        if text:
            self._drafts[name] = text
        else:
            self._drafts.pop(name, None)

    def save_soon(self) -> None:
        """Save before long."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_BETWEEN_SAVES, self.save)

    def save(self) -> None:
        """Save all drafts now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._usable:
            return
        self.store()
        try:
            self._file.save(self._drafts)
        except InputError as error:
            self._fail(error)

    def _fail(self, error: InputError) -> None:
        self._usable = False
        self._report(InputError(f"What you have not sent is not kept when you leave: {error}"))
