"""The page of the chat over real sockets: where browsers get it, its headers, its files, and where there is none."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Final

import pytest

from tests.reference import ROOT
from tests.server.web.answers import Answer
from tests.server.web.callers import HttpCaller, calls
from tests.support import ThreadServer

BROWSER: Final = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PATHS: Final = ["/", "/ops", "/%23ops", "/@bob", "/ops?at=4711", "/no-such-room"]
#: What a page may do, as the documentation has it.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)


def opens(caller: HttpCaller, path: str = "/", **headers: str) -> Answer:
    """Open a path as a browser does."""
    return caller.gets(path, Accept=BROWSER, **headers)


FOLDER: Final = ROOT / "chatcli/web"
FILES: Final = [str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()]


def script_of(page: Answer) -> str:
    """Return the address of the page's script."""
    found = re.search(r'src="([^"]+/main.js)"', page.text)
    assert found
    return found[1]


@pytest.mark.parametrize("tls", [False, True])
def test_page(server: ThreadServer, *, tls: bool) -> None:
    """Each conversation has it, the same for all of them; whether a room is there, it does not tell."""
    with calls(server, tls=tls) as http:
        pages = [opens(http, path) for path in PATHS]
        assert {page.status for page in pages} == {200}
        assert {page.headers["content-type"] for page in pages} == {"text/html; charset=utf-8"}
        assert len({page.body for page in pages}) == 1
        http.begins("HEAD", "/ops", None, {"Accept": BROWSER})
        assert (head := http.hears()).body == b""
        assert int(head.headers["content-length"]) == len(pages[0].body)


def test_headers(server: ThreadServer) -> None:
    """They let the page load what is its own, and nobody keep, frame or read it."""
    with calls(server) as http:
        headers = opens(http).headers
        assert headers.pop("content-security-policy") == POLICY
        for name in ("date", "content-length", "content-type"):
            headers.pop(name)
        assert headers == {
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "camera=(), microphone=(), geolocation=()",
            "vary": "Accept, Accept-Encoding",
        }


def test_others_get_what_they_got(server: ThreadServer) -> None:
    """Callers that do not ask for HTML read what this is, and that a room takes messages."""
    with calls(server) as http:
        for accept in ("*/*", "text/plain", "text/html;q=0"):
            assert http.gets("/", Accept=accept).text.startswith("This is a chatcli server")
            answer = http.gets("/ops", Accept=accept)
            assert (answer.status, answer.headers["allow"]) == (405, "POST")
        for path in ("/-/nothing", "/ops/nothing", "/@", "/%23", "/-"):
            assert opens(http, path).status == 404
        http.begins("PUT", "/ops", None, {"Accept": BROWSER})
        assert http.hears().headers["allow"] == "POST"


@pytest.mark.parametrize("name", sorted(FILES))
def test_files(server: ThreadServer, name: str) -> None:
    """A browser keeps them for ever, and others cannot read them."""
    with calls(server) as http:
        path = script_of(opens(http)).replace("main.js", name)
        if name == "index.html":
            assert http.gets(path).status == 404
            return
        plain, compressed = http.gets(path), http.gets(path, Accept_Encoding="gzip, br")
        assert plain.status == 200
        body = gzip.decompress(compressed.body) if "content-encoding" in compressed.headers else compressed.body
        assert body == plain.body
        for headers in (plain.headers, compressed.headers):
            assert headers["cache-control"] == "public, max-age=31536000, immutable"
            assert headers["vary"] == "Accept-Encoding"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cross-origin-resource-policy"] == "same-origin"


def test_file_of_another_version(server: ThreadServer) -> None:
    """It is not there, and that is not kept."""
    with calls(server) as http:
        answer = http.gets("/-/app/0123456789abcdef/main.js")
        assert (answer.status, answer.headers["cache-control"]) == (404, "no-store")
        assert answer.text == "There is no such file in this version of the page: load the page again.\n"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 421),
    ],
)
def test_pages_of_others(server: ThreadServer, headers: dict[str, str], status: int) -> None:
    """They may link to the page, and load nothing of it."""
    with calls(server) as http:
        path = script_of(opens(http))
        assert http.gets(path, **headers).status == status
        assert opens(http, "/ops", **headers).status == (421 if status == 421 else 200)


def test_no_web(tmp_path: Path) -> None:
    """Without it, browsers are told what this is, and rooms have no page."""
    with ThreadServer(tmp_path / "data", web=False) as server, calls(server) as http:
        assert "<h1>This is a chatcli server</h1>" in opens(http).text
        assert opens(http, "/ops").status == 405
        assert opens(http, "/-/app/0123456789abcdef/main.js").status == 404
        assert opens(http, "/-/ws").status == 426


def test_metrics(server: ThreadServer) -> None:
    """The metrics have routes for the page and its files."""
    with calls(server) as http:
        path = script_of(opens(http, "/ops"))
        http.gets(path)
        http.gets("/-/app/nothing")
        counts = server.run(lambda: dict(server.hub.counts.requests))
        assert counts == {("page", 200): 1, ("app", 200): 1, ("app", 404): 1}
