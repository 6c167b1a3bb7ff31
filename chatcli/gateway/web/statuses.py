"""Statuses: the one of each code of the protocol, and the errors that are made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from chatcli.gateway.web.answers import Fault
from chatcli.protocol import codes

#: The status of an answer for each code; a test holds it against the codes.
STATUSES: Final[Mapping[str, HTTPStatus]] = {
    codes.MALFORMED: HTTPStatus.BAD_REQUEST,
    codes.UNKNOWN_TAG: HTTPStatus.BAD_REQUEST,
    codes.UNEXPECTED: HTTPStatus.BAD_REQUEST,
    codes.UNSUPPORTED_VERSION: HTTPStatus.BAD_REQUEST,
    codes.KEY_REQUIRED: HTTPStatus.UNAUTHORIZED,
    codes.BAD_PROOF: HTTPStatus.UNAUTHORIZED,
    codes.BAD_CODE: HTTPStatus.UNAUTHORIZED,
    codes.BAD_TOKEN: HTTPStatus.UNAUTHORIZED,
    codes.INVITATION_REQUIRED: HTTPStatus.FORBIDDEN,
    codes.BAD_ORIGIN: HTTPStatus.FORBIDDEN,
    codes.BANNED: HTTPStatus.FORBIDDEN,
    codes.MUTED: HTTPStatus.FORBIDDEN,
    codes.NOT_INVITED: HTTPStatus.FORBIDDEN,
    codes.NOT_ALLOWED: HTTPStatus.FORBIDDEN,
    codes.TLS_REQUIRED: HTTPStatus.FORBIDDEN,
    codes.KICKED: HTTPStatus.FORBIDDEN,
    codes.UNKNOWN_USER: HTTPStatus.NOT_FOUND,
    codes.NOT_HERE: HTTPStatus.NOT_FOUND,
    codes.UNKNOWN_ROOM: HTTPStatus.NOT_FOUND,
    codes.TIMEOUT: HTTPStatus.REQUEST_TIMEOUT,
    codes.LEFT: HTTPStatus.REQUEST_TIMEOUT,
    codes.NAME_TAKEN: HTTPStatus.CONFLICT,
    codes.ALREADY_HERE: HTTPStatus.CONFLICT,
    codes.TAKEN_OVER: HTTPStatus.CONFLICT,
    codes.ROOM_EXISTS: HTTPStatus.CONFLICT,
    codes.ID_TAKEN: HTTPStatus.CONFLICT,
    codes.NOT_OPEN: HTTPStatus.CONFLICT,
    codes.FRAME_TOO_LONG: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    codes.TEXT_TOO_LONG: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    codes.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    codes.BAD_NAME: HTTPStatus.UNPROCESSABLE_ENTITY,
    codes.BAD_QUERY: HTTPStatus.UNPROCESSABLE_ENTITY,
    codes.BAD_ID: HTTPStatus.UNPROCESSABLE_ENTITY,
    codes.EMPTY_TEXT: HTTPStatus.UNPROCESSABLE_ENTITY,
    codes.UNKNOWN_REPLY: HTTPStatus.UNPROCESSABLE_ENTITY,
    codes.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS,
    codes.STORAGE: HTTPStatus.SERVICE_UNAVAILABLE,
    codes.FULL: HTTPStatus.SERVICE_UNAVAILABLE,
    codes.STOPPING: HTTPStatus.SERVICE_UNAVAILABLE,
}

#: Seconds after which another try makes sense, where nothing says more.
_RETRY_AFTER: Final[Mapping[HTTPStatus, float]] = {
    HTTPStatus.TOO_MANY_REQUESTS: 60,
    HTTPStatus.SERVICE_UNAVAILABLE: 10,
}
CHALLENGE: Final = ("WWW-Authenticate", 'Bearer realm="chatcli"')


def fault(code: str, text: str, names: Sequence[str] = (), *, wait: float | None = None) -> Fault:
    """Return the error that a code of the protocol amounts to.

    Args:
        code: the code; an unknown one is a fault of the server.
        text: a sentence for people.
        names: names that are close to an unknown one.
        wait: seconds after which another try makes sense; None for the usual ones.
    """
    status = STATUSES.get(code, HTTPStatus.INTERNAL_SERVER_ERROR)
    headers = [CHALLENGE] if status is HTTPStatus.UNAUTHORIZED else []
    seconds = _RETRY_AFTER.get(status) if wait is None else wait
    if seconds is not None:
        headers.append(("Retry-After", str(max(1, math.ceil(seconds)))))
    return Fault(status, text, headers, code=code, names=names)
