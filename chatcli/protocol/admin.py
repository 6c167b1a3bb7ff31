"""The request and the answer on the admin socket, each one line of JSON."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from chatcli.protocol.frames import MAX_BAN, MAX_LABEL, MAX_PLACES, Named, Scope

SOCKET: Final = "admin.sock"  # in the server's data directory
MAX_REASON: Final = 500  # characters
MAX_USES: Final = 1_000_000

Row = dict[str, Any]


class Request(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One command.

    Attributes:
        do: the name of the command.
        to: the person's name; for ``ban`` and ``unban`` also the fingerprint of a key.
        seconds: the duration; None means for ever.
        uses: how often an invitation can be used.
        reason: a text for the person concerned.
        anyway: ban a name even if nobody has ever used it.
        keep: whether the present keys of a name stay valid when a code for a new one is used.
        label: the label of a token.
        scope: the scope of a token.
        places: the rooms and people that a token is limited to; none of them for everywhere.
    """

    do: Annotated[str, msgspec.Meta(max_length=32)]
    to: Annotated[str, msgspec.Meta(max_length=128)] = ""
    seconds: Annotated[int, msgspec.Meta(ge=1, le=MAX_BAN)] | None = None
    uses: Annotated[int, msgspec.Meta(ge=1, le=MAX_USES)] = 1
    reason: Annotated[str, msgspec.Meta(max_length=MAX_REASON)] = ""
    anyway: bool = False
    keep: bool = False
    label: Annotated[str, msgspec.Meta(max_length=MAX_LABEL)] = ""
    scope: Scope = "send"
    places: Annotated[list[Named], msgspec.Meta(max_length=MAX_PLACES)] = []


class Answer(msgspec.Struct, omit_defaults=True):
    """The result of a command.

    Attributes:
        rows: the result if it succeeded.
        code: the reason if it failed, one of :mod:`chatcli.protocol.codes`.
        text: the reason as a sentence.
        names: similar known names, with ``unknown_user``.
    """

    rows: list[Row] = []
    code: str = ""
    text: str = ""
    names: list[str] = []
