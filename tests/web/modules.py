"""The page's own modules, called from a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.web.page import ChatPage

_HEAD: Final = """const base = document.querySelector("script[type=module]").src;
    const load = (path) => import(new URL(path, base).href);"""


def run(page: ChatPage, script: str, argument: object = None) -> Any:  # noqa: ANN401 (what the script returns)
    """Run the body of an async function of ``argument`` that may load modules of the page with ``load``."""
    return page.page.evaluate(f"async (argument) => {{ {_HEAD} {script} }}", argument)
