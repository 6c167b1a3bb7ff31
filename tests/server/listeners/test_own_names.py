"""The names under which the server is reached."""

from __future__ import annotations

import socket

from chatcli.gateway.web.origins import Origins
from chatcli.server.listeners.own_names import own_names

CODESPACE = {"CODESPACES": "true", "CODESPACE_NAME": "fluffy-Bob-x7"}


def test_names() -> None:
    """They come from the certificate, the machine and the operator; one without a port is at that of https, too."""
    machine = socket.gethostname()
    local = [] if "." in machine else [f"{machine}.local"]
    names = own_names(["lab.example", "*.example"], ["chat.example", "web.example:9000", "lab.example"], {}, 8080)
    assert names == [
        "lab.example", "*.example", machine, *local, "chat.example", "web.example:9000",
        "chat.example:443", "lab.example:443",
    ]  # fmt: skip
    origins = Origins(names, 8080)
    assert all(map(origins.host_is_own, ("lab.example", machine, *local, "chat.example", "web.example:1")))
    assert not origins.host_is_own("any.example")
    assert origins.origin_is_own("https://chat.example", "127.0.0.1:8080")
    assert origins.origin_is_own("http://web.example:9000", "127.0.0.1:8080")
    assert not origins.origin_is_own("https://web.example", "127.0.0.1:8080")


def test_name_of_a_forwarded_port() -> None:
    """In a codespace the forwarded port is the server's, with https."""
    origins = Origins(own_names([], [], CODESPACE, 8080), 8080)
    assert origins.host_is_own("fluffy-bob-x7-8080.app.github.dev")
    assert origins.origin_is_own("https://fluffy-bob-x7-8080.app.github.dev", "localhost:8080")
    assert not origins.host_is_own("fluffy-bob-x7-3000.app.github.dev")
    assert not origins.origin_is_own("https://evil-8080.app.github.dev", "localhost:8080")
