"""The page that says what this is: for curl, for browsers with --no-web, and safe with whatever the caller claims."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from tests.server.web.callers import calls
from tests.support import ThreadServer, environment

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[ThreadServer]:
    """A server without the page of the chat."""
    with ThreadServer(tmp_path / "bare", web=False) as running:
        yield running


@pytest.mark.parametrize("tls", [False, True])
def test_for_browsers(bare: ThreadServer, *, tls: bool) -> None:
    """It has the command with the address that the browser has asked, and the key; and nothing from elsewhere."""
    with calls(bare, tls=tls) as http:
        page = http.gets("/", Accept=BROWSER)
        assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert f"chatcli join --server {bare.address}" in page.text
        assert bare.hub.server_key in page.text
        assert f"{'https' if tls else 'http'}://{bare.address}/ops" in page.text
        assert not re.search(r"<script|<a |<img|<link|src=|href=|style=| on\w+=", page.text)
        style = page.text.partition("<style>")[2].partition("</style>")[0]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        policy = page.headers["content-security-policy"]
        assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["vary"] == "Accept"


def test_for_curl(server: ThreadServer, bare: ThreadServer) -> None:
    """Whoever does not ask for HTML gets text."""
    with calls(server) as http:
        page = http.gets("/", Accept="*/*")
        assert page.headers["content-type"] == "text/plain; charset=utf-8"
        assert f"\n    chatcli join --server {server.address}\n" in page.text
        assert "<" not in page.text
        assert f"\n    http://{server.address}/\n" in page.text
        http.begins("HEAD", "/")
        assert http.hears().text == ""
    with calls(bare) as http:
        assert "browser" not in http.gets("/", Accept="*/*").text


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_pin(server: ThreadServer) -> None:
    """Within TLS, curl is told the key, as no authority knows the certificate: the command works as it stands."""
    with calls(server, tls=True) as http:
        line = next(line for line in http.gets("/", Accept="*/*").text.splitlines() if "curl" in line)
    variables = environment(TOKEN="wrong", no_proxy="*")  # noqa: S106 (no token)
    done = subprocess.run(["bash", "-c", line], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("That token is wrong")


@pytest.mark.parametrize(
    "settings", [{"proxies": (ip_network("127.0.0.0/8"),)}, {"web_names": ("name-8080.app.github.dev",)}]
)
def test_through_a_proxy(tmp_path: Path, settings: dict[str, Any]) -> None:
    """The way back leads through HTTPS, by the name that the proxy was called by."""
    with ThreadServer(tmp_path / "data", web=False, **settings) as server, calls(server) as http:
        page = http.gets("/", X_Forwarded_Host="name-8080.app.github.dev", X_Forwarded_Proto="https")
        assert "chatcli join --server https://name-8080.app.github.dev\n" in page.text
        page = http.gets("/", X_Forwarded_Host="<script>", Accept=BROWSER)
        assert "<script>" not in page.text


def test_a_name_that_anybody_claims(bare: ThreadServer) -> None:
    """Nobody is led to the server of somebody else."""
    with calls(bare) as http:
        for accept in ("text/plain", BROWSER):
            page = http.gets("/", X_Forwarded_Host="evil.example", Accept=accept)
            assert page.status == 200
            assert "evil" not in page.text
