"""GitHub Codespaces: what the variables of one say, and what nobody should have put there."""

from __future__ import annotations

import pytest

from chatcli.codespaces import codespace, owner

NAME = "fluffy-space-x7"


def variables(**changes: str) -> dict[str, str]:
    """Return the variables of a codespace."""
    return {"CODESPACES": "true", "CODESPACE_NAME": NAME, "GITHUB_USER": "monalisa", **changes}


def test_forwarded_port() -> None:
    """The domain is GitHub's, if no other is given."""
    found = codespace(variables())
    assert found is not None
    assert found.host(8080) == "fluffy-space-x7-8080.app.github.dev"
    found = codespace(variables(GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN="Preview.App.github.dev"))
    assert found is not None
    assert found.host(1) == "fluffy-space-x7-1.preview.app.github.dev"
    found = codespace(variables(GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN=""))
    assert found is not None
    assert found.domain == "app.github.dev"


@pytest.mark.parametrize("value", ["", "false", "1", "True", "true "])
def test_elsewhere(value: str) -> None:
    """Only "true" is a codespace."""
    assert codespace(variables(CODESPACES=value)) is None
    assert not owner(variables(CODESPACES=value))
    assert codespace({}) is None
    assert not owner({})


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "a b", "a.b", "a/b", "-a", "a-", "a_b", "a\nb", "a\n", "\x1b[31mred", "$(id)", "`id`", "'", "ü",
        "evil.example#", "a" * 58, "ａ",
    ],
)  # fmt: skip
def test_names_that_no_codespace_has(name: str) -> None:
    """They would be printed, and be part of a command."""
    assert codespace(variables(CODESPACE_NAME=name)) is None


@pytest.mark.parametrize(
    "domain",
    [
        " ", "localhost", "app.github.dev.", ".dev", "app..dev", "a b.dev", "app.github.dev/x", "app.github.dev:443",
        "x@app.github.dev", "\x1b]0;title\x07.dev", "app.github.dev\n", "-a.dev", f"{'a' * 64}.dev", f"{'a.' * 100}dev",
        "ü.dev",
    ],
)  # fmt: skip
def test_domains_that_are_none(domain: str) -> None:
    """They would be part of a URL that is printed."""
    assert codespace(variables(GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN=domain)) is None


def test_longest_names() -> None:
    """What fits into the name of a host is accepted."""
    domain = f"{'a' * 63}.{'b' * 63}.{'c' * 61}"
    found = codespace(variables(CODESPACE_NAME="n" * 57, GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN=domain))
    assert found is not None
    assert len(found.host(65535)) == 253
    assert codespace(variables(GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN=f"{domain}c")) is None
