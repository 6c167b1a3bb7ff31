"""The stable codes of ``error`` and ``bye`` frames, with their meanings."""

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
ALREADY_HERE: Final = "already_here"
KEY_REQUIRED: Final = "key_required"
BAD_PROOF: Final = "bad_proof"
BAD_ORIGIN: Final = "bad_origin"
BAD_CODE: Final = "bad_code"
BAD_TOKEN: Final = "bad_token"  # noqa: S105 (a code)
INVITATION_REQUIRED: Final = "invitation_required"
TOO_MANY: Final = "too_many"
BANNED: Final = "banned"
MUTED: Final = "muted"
UNKNOWN_USER: Final = "unknown_user"
NOT_HERE: Final = "not_here"
UNKNOWN_ROOM: Final = "unknown_room"
ROOM_EXISTS: Final = "room_exists"
NOT_INVITED: Final = "not_invited"
NOT_ALLOWED: Final = "not_allowed"
BAD_QUERY: Final = "bad_query"
EMPTY_TEXT: Final = "empty_text"
TEXT_TOO_LONG: Final = "text_too_long"
BAD_ID: Final = "bad_id"
ID_TAKEN: Final = "id_taken"
UNKNOWN_REPLY: Final = "unknown_reply"
NOT_OPEN: Final = "not_open"
STORAGE: Final = "storage"
FULL: Final = "full"
TLS_REQUIRED: Final = "tls_required"
TIMEOUT: Final = "timeout"
LEFT: Final = "left"
KICKED: Final = "kicked"
TAKEN_OVER: Final = "taken_over"
STOPPING: Final = "stopping"

MEANINGS: Final[dict[str, str]] = {
    MALFORMED: "the line is not a JSON object in UTF-8",
    UNKNOWN_TAG: "the tag `t` names no frame that this side accepts",
    INVALID: "a field is missing, of the wrong type or out of range",
    FRAME_TOO_LONG: "the line is longer than a frame may be",
    UNEXPECTED: "the frame does not fit the state of the connection",
    UNSUPPORTED_VERSION: "the server does not speak this version of the protocol",
    BAD_NAME: "the name breaks the rules for names",
    NAME_TAKEN: "the name belongs to another key",
    ALREADY_HERE: "a `join` of the user is open elsewhere; `present` in `hello` says what to do about that",
    KEY_REQUIRED: "a name belongs to a key: `hello` must carry one",
    BAD_PROOF: "the signature does not prove the key, on this connection, for this name",
    BAD_ORIGIN: "the server has no pages at this `origin`, or no page in a browser has opened the connection",
    BAD_CODE: "the code is wrong, used up or too old",
    BAD_TOKEN: "the token is wrong, revoked or too old, or belongs to another name than `user`",
    INVITATION_REQUIRED: "the server accepts new names by invitation only",
    TOO_MANY: "the client's address or the user has exceeded a limit of the server",
    BANNED: "the name or the key is banned here, or from the room",
    MUTED: "the user may read but not write for now, here or in the room",
    UNKNOWN_USER: "nobody has ever used this name; `names` are similar ones",
    NOT_HERE: "no connection of the user is open",
    UNKNOWN_ROOM: "there is no such room, or none that the user may see; `names` are similar ones",
    ROOM_EXISTS: "the room exists and is of another kind",
    NOT_INVITED: "the room is private, and the user was not invited",
    NOT_ALLOWED: "the purpose given in `hello`, the token, or the user's role in the room does not permit this",
    BAD_QUERY: "the query of the search is invalid",
    EMPTY_TEXT: "the message has no text",
    TEXT_TOO_LONG: "the text of a message, a topic, a reason or an away message is too long",
    BAD_ID: "the message id is not a UUID in its canonical form",
    ID_TAKEN: "someone else's message has this id",
    UNKNOWN_REPLY: "the message that `re` names does not belong to this conversation, or the user may not read it",
    NOT_OPEN: "the question is answered, withdrawn, or its time is over",
    STORAGE: "the server cannot write or read its log at the moment: nothing was stored, try again later",
    FULL: "the server has as many connections as it accepts",
    TLS_REQUIRED: "plain connections are accepted from the server's own machine only: use TLS",
    TIMEOUT: "the connection was silent, or did not read, for too long",
    LEFT: "the answer to the client's own `bye`",
    KICKED: "an operator has kicked the user, or the key or token of the connection was revoked or has ended",
    TAKEN_OVER: "a new `join` of the user has replaced this connection",
    STOPPING: "the server is stopping",
}
