"""The stable codes that ``error`` and ``bye`` frames carry, with what each one means."""

from __future__ import annotations

from typing import Final

MALFORMED: Final = "malformed"
UNKNOWN_TAG: Final = "unknown_tag"
INVALID: Final = "invalid"
FRAME_TOO_LONG: Final = "frame_too_long"
UNEXPECTED: Final = "unexpected"
UNSUPPORTED_VERSION: Final = "unsupported_version"
BAD_NAME: Final = "bad_name"
NAME_TAKEN: Final = "name_taken"
UNKNOWN_USER: Final = "unknown_user"
NOT_ALLOWED: Final = "not_allowed"
EMPTY_TEXT: Final = "empty_text"
TEXT_TOO_LONG: Final = "text_too_long"
BAD_ID: Final = "bad_id"
ID_TAKEN: Final = "id_taken"
STORAGE: Final = "storage"
FULL: Final = "full"
TIMEOUT: Final = "timeout"
LEFT: Final = "left"
STOPPING: Final = "stopping"

MEANINGS: Final[dict[str, str]] = {
    MALFORMED: "the line is not a JSON object in UTF-8",
    UNKNOWN_TAG: "the tag `t` names no frame that this side takes",
    INVALID: "a field is missing, of the wrong type or out of range",
    FRAME_TOO_LONG: "the line is longer than a frame may be",
    UNEXPECTED: "the frame does not fit the state of the connection",
    UNSUPPORTED_VERSION: "the server does not speak this version of the protocol",
    BAD_NAME: "the name breaks the rules for names",
    NAME_TAKEN: "someone in the chat has this name",
    UNKNOWN_USER: "nobody was ever here under this name; `names` are close ones",
    NOT_ALLOWED: "the purpose given in `hello` does not include this",
    EMPTY_TEXT: "there is no text in the message",
    TEXT_TOO_LONG: "the text is longer than a message may be",
    BAD_ID: "the message id is not a UUID in its canonical form",
    ID_TAKEN: "someone else's message has this id",
    STORAGE: "the server cannot write its log at the moment; nothing was stored",
    FULL: "the server holds as many connections as it may",
    TIMEOUT: "the connection was silent, or did not take what was sent, for too long",
    LEFT: "the answer to the client's own `bye`",
    STOPPING: "the server is stopping",
}
