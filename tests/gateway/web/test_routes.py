"""Routes: which request means what, and which means nothing."""

from __future__ import annotations

import pytest

from chatcli.gateway.web.answers import Fault
from chatcli.gateway.web.heads import Head
from chatcli.gateway.web.routes import Kind, Route, find


def asked(method: str, path: str) -> Route:
    """Return the meaning of a request."""
    return find(Head(method, path, "", {}, "1.1", has_body=False), chat=False)


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
