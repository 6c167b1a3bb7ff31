"""What goes over the admin socket: one command as a line of JSON, and its answer as another."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from chatcli.protocol.frames import MAX_BAN

SOCKET: Final = "admin.sock"  # in the server's data directory
MAX_REASON: Final = 500  # characters
MAX_USES: Final = 1_000_000

Row = dict[str, Any]


class Request(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One command.

    Attributes:
        do: which.
        to: whom: a name, or with ``ban`` and ``unban`` the fingerprint of a key.
        seconds: for how long; for ever, where there is none.
        uses: of an invitation.
        reason: told to whom it meets.
        anyway: ban a name even if nobody of that name was ever here.
    """

    do: Annotated[str, msgspec.Meta(max_length=32)]
    to: Annotated[str, msgspec.Meta(max_length=128)] = ""
    seconds: Annotated[int, msgspec.Meta(ge=1, le=MAX_BAN)] | None = None
    uses: Annotated[int, msgspec.Meta(ge=1, le=MAX_USES)] = 1
    reason: Annotated[str, msgspec.Meta(max_length=MAX_REASON)] = ""
    anyway: bool = False


class Answer(msgspec.Struct, omit_defaults=True):
    """What became of it.

    Attributes:
        rows: what there is to tell, if it was done.
        code: why it was not, one of :mod:`chatcli.protocol.codes`.
        text: the same as a sentence.
        names: with ``unknown_user``: known names that come close.
    """

    rows: list[Row] = []
    code: str = ""
    text: str = ""
    names: list[str] = []
