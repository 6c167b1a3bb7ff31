"""Statuses of answers, and the credentials of requests."""

from __future__ import annotations

import base64
from http import HTTPStatus

import pytest

from chatcli.gateway.web.answers import Fault
from chatcli.gateway.web.credentials import shown_token
from chatcli.gateway.web.exchange import Exchange
from chatcli.gateway.web.statuses import STATUSES, fault
from chatcli.protocol import codes


def basic(text: str) -> str:
    """Return the value of a header for Basic."""
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_every_code_has_a_status() -> None:
    """No refusal of a session is left without a status, and none of them says that all is well."""
    assert STATUSES.keys() == codes.MEANINGS.keys()
    assert all(400 <= status < 600 for status in STATUSES.values())


def test_headers_of_an_error() -> None:
    """They say what to show, and when another try makes sense."""
    assert dict(fault(codes.BAD_TOKEN, "no").headers)["WWW-Authenticate"].startswith("Bearer")
    assert dict(fault(codes.TOO_MANY, "no", wait=2.1).headers) == {"Retry-After": "3"}
    assert "Retry-After" in dict(fault(codes.STORAGE, "no").headers)
    assert fault(codes.MUTED, "no").headers == ()
    assert fault("news", "no").status is HTTPStatus.INTERNAL_SERVER_ERROR


@pytest.mark.parametrize(
    "value", ["Bearer cct_x", "bearer  cct_x ", basic(":cct_x"), basic("alice:cct_x"), basic("cct_x:"), basic("cct_x")]
)
def test_token(value: str) -> None:
    """A token comes as a bearer of it, or as a password."""
    assert shown_token({"authorization": value}) == "cct_x"


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic", "Basic ???", basic(":"), "Basic /w==", "Digest x"])
def test_no_token(value: str) -> None:
    """Whatever else comes is answered with what is needed."""
    with pytest.raises(Fault) as caught:
        shown_token({"authorization": value} if value else {})
    assert caught.value.status is HTTPStatus.UNAUTHORIZED
    assert "Bearer cct_…" in caught.value.text


@pytest.mark.parametrize(
    ("accept", "json"),
    [
        ("application/json", True),
        ("text/html, Application/JSON; q=0.9, */*", True),
        ("*/*", False),
        ("text/plain", False),
        ("application/json;q=0", False),
    ],
)
def test_an_error_in_json(accept: str, *, json: bool) -> None:
    """Programs that ask for JSON get their errors so, too."""
    exchange = Exchange()
    exchange.receive(f"GET /x HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n".encode())
    exchange.next()
    answer = exchange.refuse(fault(codes.UNKNOWN_USER, "Nobody.", ["bob"])).decode()
    assert answer.startswith("HTTP/1.1 404 Not Found\r\n")
    body = answer.partition("\r\n\r\n")[2]
    assert body == ('{"code":"unknown_user","text":"Nobody.","names":["bob"]}\n' if json else "Nobody.\n")
