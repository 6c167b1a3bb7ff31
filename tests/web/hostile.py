"""Servers that mean harm: one that serves the page and says to it what it likes, and one with a page of its own."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, NamedTuple

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

import chatcli
from chatcli.gateway.web.page.files import TYPES
from chatcli.gateway.web.page.headers import CHAT
from chatcli.protocol.values.address import Address

Frame = dict[str, Any]
#: Says what is sent for a frame; None: what a good server would.
Answer = Callable[[Frame], list[Frame | str | bytes] | None]

_FILES: Final = Path(chatcli.__file__).parent / "web"
_LIMITS: Final = {"text": 32768, "frame": 65536, "silence": 60}
CHALLENGE: Final[Frame] = {"t": "challenge", "nonce": "A" * 43, "server": "chatcli/0", "key": "SHA256:hostile"}
_EMPTY: Final[Mapping[str, Frame]] = {
    "conversations": {"conversations": [], "more": False},
    "who": {"people": []},
    "keys": {"keys": []},
    "tokens": {"tokens": []},
    "rooms": {"rooms": [], "more": False},
    "search": {"messages": [], "more": False},
    "unread": {"conversations": []},
}


def welcome(user: str, **fields: object) -> Frame:
    """Return a welcome."""
    places = {"head": 0, "cursor": 0, "shared": 0, "read": 0, "reads": [], "rooms": [], "invited": []}
    about = {"server": "chatcli/0", "limits": _LIMITS, "revision": 1, "epoch": "e"}
    return {"t": "welcome", "user": user, **places, **about, **fields}


def good(frame: Frame) -> list[Frame | str | bytes]:
    """Return the answers of a good server with nobody and nothing on it."""
    tag, number = str(frame["t"]), frame.get("n")
    if tag == "hello":
        return [CHALLENGE]
    if tag == "prove":
        return [welcome("ann"), {"t": "live", "seq": 0}]
    answers: dict[str, Frame] = {
        **_EMPTY,
        "history": {"of": frame.get("of"), "messages": [], "more": False},
        "receipts": {"to": frame.get("to"), "people": []},
    }
    if tag == "ping":
        return [{"t": "pong", "n": number}]
    return [{"t": tag, **answers[tag], "n": number}] if tag in answers else []


class Hostile(NamedTuple):
    """A server that is running."""

    address: Address


@contextlib.contextmanager
def hostile(answer: Answer) -> Iterator[Hostile]:
    """Run a server with the page's files, which says the frames of ``answer``."""

    def talk(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            for text in connection:
                for line in str(text).splitlines():
                    frame = json.loads(line)
                    said = answer(frame)
                    for each in good(frame) if said is None else said:
                        connection.send(json.dumps(each) if isinstance(each, dict) else each)

    with serve(talk, "127.0.0.1", 0, process_request=_file, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Hostile(Address("127.0.0.1", server.socket.getsockname()[1]))
        finally:
            server.shutdown()
            thread.join()


def _file(_: ServerConnection, request: Request) -> Response | None:
    """Answer a request for the page or one of its files; None for the WebSocket."""
    path = request.path.partition("?")[0]
    if path == "/-/ws":
        return None
    name = path.removeprefix("/-/app/DIGEST/") if path.startswith("/-/app/") else "index.html"
    if name.startswith("icon-"):
        name = "icon.svg"
    file = _FILES / name
    if not file.is_file():
        return Response(404, "Not Found", Headers())
    headers = Headers([("Content-Type", TYPES[file.suffix]), ("Connection", "close")])
    if name == "index.html":
        headers.update(dict(CHAT))
    body = file.read_bytes()
    headers["Content-Length"] = str(len(body))
    return Response(200, "OK", headers, body)


@contextlib.contextmanager
def elsewhere(html: str) -> Iterator[str]:
    """Serve a page of somebody else's, at another origin; yield its address."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()
