"""Recovery codes: with one from an operator, someone whose key is lost gets their name back under a new key.

With such a code a name that is for operators can be taken for the first time, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chatcli.server.security.spoken_codes import new_code
from chatcli.server.state.moderation import CODE_SYLLABLES, digest

if TYPE_CHECKING:
    from chatcli.server.state.moderation import Moderation
    from chatcli.store.batch import OnOutcome
    from chatcli.store.sanction import Sanction

_KIND: Final = "recovery"


class Recoveries:
    """The codes that are valid, one for each name; the log has a digest of each.

    Args:
        moderation: stores them.
    """

    def __init__(self, moderation: Moderation) -> None:
        self._moderation = moderation

    def issue(self, name: str, seconds: float, *, keep: bool, on_outcome: OnOutcome) -> str:
        """Return a new code for a name, in place of any earlier one.

        Args:
            name: the folded name.
            seconds: for which it is valid.
            keep: whether the keys of the name stay valid.
            on_outcome: called once it is on disk, or with the reason why it is not.
        """
        code = new_code(CODE_SYLLABLES)
        self._moderation.impose(_KIND, name, seconds=seconds, reason=digest(code), keep=keep, on_outcome=on_outcome)
        return code

    def find(self, name: str, code: str) -> Sanction | None:
        """Return the code of a folded name if it is the one that was typed, and still valid."""
        found = self._moderation.get(_KIND, name) if code else None
        return found if found is not None and found.reason == digest(code) else None
