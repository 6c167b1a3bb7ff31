"""GitHub Codespaces, as far as its environment tells: the address of a forwarded port, and the name of its owner."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

_DOMAIN: Final = "app.github.dev"
_LONGEST_DOMAIN: Final = 189  # characters; with the label before it a host name has 253 at most
# Printed and used in host names, so nothing else is taken for a name.
_LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DOMAIN_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
_NAME: Final = re.compile(_LABEL)


class Codespace(NamedTuple):
    """A codespace.

    Attributes:
        name: its name, as ``gh`` takes it.
        domain: the domain of its forwarded ports.
    """

    name: str
    domain: str

    def host(self, port: int) -> str:
        """Return the host under which others reach a port, with https."""
        return f"{self.name}-{port}.{self.domain}".lower()


def is_codespace(environ: Mapping[str, str]) -> bool:
    """Return whether this process runs in a codespace."""
    return environ.get("CODESPACES") == "true"


def codespace(environ: Mapping[str, str]) -> Codespace | None:
    """Return the codespace in which this process runs; None if it runs elsewhere, or its name cannot be one."""
    name = environ.get("CODESPACE_NAME", "")
    domain = environ.get("GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN") or _DOMAIN
    if not (is_codespace(environ) and _NAME.fullmatch(f"{name}-65535") and _NAME.fullmatch(name)):
        return None
    if len(domain) > _LONGEST_DOMAIN or not _DOMAIN_NAME.fullmatch(domain):
        return None
    return Codespace(name, domain)


def owner(environ: Mapping[str, str]) -> str:
    """Return the name on GitHub of the one to whom the codespace belongs; empty elsewhere."""
    return environ.get("GITHUB_USER", "") if is_codespace(environ) else ""
