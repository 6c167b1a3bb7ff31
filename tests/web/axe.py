"""axe-core: what a machine can find of what keeps people out."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from tests.web.page import ChatPage

_FILE: Final = "axe-core/axe.min.js"
_OWN: Final = Path(__file__).parents[2] / ".ci/web/node_modules" / _FILE
_RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN: Final = """async (rules) =>
    (await globalThis.axe.run(document, {runOnly: rules, resultTypes: ["violations"]})).violations"""


@functools.cache
def _source() -> str | None:
    """Return the script, from where ``npm`` has put it or ``AXE_CORE`` names it, or None."""
    shared = os.environ.get("CHATCLI_NODE_MODULES")
    named = os.environ.get("AXE_CORE")
    places = [Path(named)] if named else [_OWN, *([Path(shared) / _FILE] if shared else [])]
    return next((path.read_text() for path in places if path.is_file()), None)


def findings(page: ChatPage) -> list[str]:
    """Return all violations of WCAG 2.2 AA and of good practice in the page as it is now.

    The test is skipped without axe-core. Look at each view in each colour scheme: the contrast is part of it.
    """
    source = _source()
    if source is None:
        pytest.skip("there is no axe-core here: npm install --prefix .ci/web")
    if not page.page.evaluate("() => 'axe' in globalThis"):
        page.page.evaluate(source)
    violations: list[dict[str, Any]] = page.page.evaluate(_RUN, _RULES)
    return [
        f"{violation['id']}: {violation['help']}: {node['html']} {node['failureSummary']}"
        for violation in violations
        for node in violation["nodes"]
    ]
