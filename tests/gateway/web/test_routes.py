"""Routes: which request means what, and which means nothing."""

from __future__ import annotations

import pytest

from chatcli.gateway.web.answers import Fault
from chatcli.gateway.web.heads import Head
from chatcli.gateway.web.routes import Kind, Route, find


def asked(method: str, path: str, accept: str = "*/*", *, chat: bool = False) -> Route:
    """Return the meaning of a request."""
    return find(Head(method, path, "", {"accept": accept}, "1.1", has_body=False), chat=chat)


@pytest.mark.parametrize(
    ("path", "name"),
    [("/ops", "#ops"), ("/%23ops", "#ops"), ("/@bob", "bob"), ("/%40bob", "bob"), ("/a%2Fb", "#a/b"), ("/@@", "@")],
)
def test_names(path: str, name: str) -> None:
    """A name is a room unless it begins like a person's."""
    assert asked("POST", path) == Route(Kind.PUBLISH, name)
    assert asked("GET", f"{path}/events") == Route(Kind.EVENTS, name)
    assert asked("HEAD", f"{path}/lines") == Route(Kind.LINES, name)


@pytest.mark.parametrize("name", ["@", "%40", "%23", "-", ""])
def test_no_name(name: str) -> None:
    """Nobody is meant, and not everybody."""
    for method, path in (("POST", f"/{name}"), ("GET", f"/{name}/events"), ("GET", f"/{name}/lines")):
        if path not in ("/", "/-/events", "/-/lines"):
            with pytest.raises(Fault) as caught:
                asked(method, path)
            assert caught.value.status == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_pages(method: str) -> None:
    """A conversation has a page for those who ask for HTML, if there is one at all; the root has one for everybody."""
    for path in ("/ops", "/%23ops", "/@bob", "/%23metrics"):
        assert asked(method, path, "text/html", chat=True) == Route(Kind.PAGE, asked("POST", path).name)
        for accept, chat in (("text/html", False), ("*/*", True)):
            with pytest.raises(Fault) as caught:
                asked(method, path, accept, chat=chat)
            assert caught.value.status == 405
        assert asked("POST", path, "text/html", chat=True).kind is Kind.PUBLISH
    assert {asked(method, "/", accept, chat=chat).kind for accept in ("", "text/html") for chat in (False, True)} == {
        Kind.PAGE
    }


def test_what_is_no_page() -> None:
    """Paths with a meaning of their own keep it for every caller."""
    for path, kind in (("/metrics", Kind.METRICS), ("/healthz", Kind.HEALTH), ("/ops/events", Kind.EVENTS)):
        assert asked("GET", path, "text/html", chat=True).kind is kind
    for path in ("/-", "/@", "/%23", "/ops/", "/ops/more", "/-/nothing", "//evil.example"):
        with pytest.raises(Fault) as caught:
            asked("GET", path, "text/html", chat=True)
        assert caught.value.status == 404


def test_files_of_the_page() -> None:
    """They have addresses where there is a page."""
    assert asked("GET", "/-/app/0123/core/state.js", chat=True) == Route(Kind.APP, "0123/core/state.js")
    with pytest.raises(Fault) as caught:
        asked("GET", "/-/app/0123/core/state.js")
    assert caught.value.status == 404
