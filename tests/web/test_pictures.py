"""The pictures of the documentation can be taken."""

from __future__ import annotations

from pathlib import Path

from tests.support import ThreadServer
from tests.web import pictures
from tests.web.conftest import OpenPage


def test_pictures(open_page: OpenPage, tmp_path: Path) -> None:
    """The morning can be played, and each picture is small enough for a page on the web."""
    with ThreadServer(tmp_path / "data") as server:
        pictures.draw(open_page(server, **pictures.OPTIONS), server, tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.webp")) == [
        "web-dark.webp",
        "web-desktop.webp",
        "web-phone.webp",
        "web-question.webp",
        "web-reconnecting.webp",
    ]
