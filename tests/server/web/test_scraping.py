"""Metrics and health by HTTP, asked by curl, read by Prometheus' own parsers."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from chatcli.protocol.values.address import Address
from chatcli.server.limits import Limits
from tests.admin import answers, does
from tests.disks import small_disk
from tests.server.failures import here, until_refused
from tests.server.web.answers import Answer
from tests.support import DEADLINE, ThreadServer, eventually, serving

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")

_OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"

_UPGRADE = (
    b"GET /-/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def curl(url: str, *options: str) -> Answer:
    """Ask for a URL."""
    words = ["curl", "--silent", "--show-error", "--include", "--noproxy", "*", "--max-time", str(DEADLINE)]
    done = subprocess.run([*words, *options, url], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    head, _, body = done.stdout.partition("\n\n")  # text mode has made line feeds of all ends of lines
    status, *fields = head.splitlines()
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    return Answer(int(status.split()[1]), headers, body.encode())


def url_of(address: Address, path: str, scheme: str = "http") -> str:
    """Return the URL of a path."""
    return f"{scheme}://{address}{path}"


def bearing(token: str) -> tuple[str, str]:
    """Return the options with which curl shows a token."""
    return "--header", f"Authorization: Bearer {token}"


@pytest.fixture
def token(server: ThreadServer, data: Path) -> str:
    """A token for the metrics."""
    made = does(data, "token", to="prometheus", scope="metrics")["token"]
    assert isinstance(made, str)
    return made


def values(server: ThreadServer, token: str, *options: str, scheme: str = "http") -> dict[str, float]:
    """Return the values of the metrics, by name and labels."""
    answer = curl(url_of(server.address, "/metrics", scheme), *bearing(token), *options)
    assert answer.status == 200, answer
    openmetrics = answer.headers["content-type"].startswith("application/openmetrics-text")
    found = {}
    for family in (parse_openmetrics if openmetrics else parse_text)(answer.text):
        for sample in family.samples:
            found[" ".join([sample.name, *sample.labels.values()])] = sample.value
    return found


# Metrics


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("accept", ["", _OPENMETRICS])
def test_metrics(server: ThreadServer, token: str, scheme: str, accept: str) -> None:
    """Both formats, plain and within TLS."""
    certificate = ("--cacert", str(server.certificate))
    found = values(server, token, *certificate, "--header", f"Accept: {accept}", scheme=scheme)
    assert found["chatcli_connections http"] == 1
    assert found["chatcli_tls_handshakes_total"] == (scheme == "https")
    assert found["chatcli_tokens"] == 1
    again = values(server, token)
    assert again["chatcli_http_requests_total metrics 200"] == 1
    assert again["chatcli_sessions query"] == 1


def test_what_connections_speak(server: ThreadServer, token: str) -> None:
    """Lines, HTTP, a WebSocket, TLS within one, and nothing yet."""
    handshake = b"\x82\x86" + bytes(4) + b"\x16\x03\x01\x00\x04\x01"  # how TLS begins, in a binary frame
    with (
        server.joined("alice"),
        server.connect(),
        socket.create_connection(server.address[:2], DEADLINE) as websocket,
        socket.create_connection(server.address[:2], DEADLINE) as tunnel,
    ):
        websocket.sendall(_UPGRADE)
        tunnel.sendall(_UPGRADE + handshake)
        eventually(lambda: values(server, token).get("chatcli_connections tunnel") == 1)
        eventually(lambda: values(server, token).get("chatcli_connections websocket") == 1)
        found = values(server, token)
        for speaks in ("lines", "http", "nothing"):
            assert found[f"chatcli_connections {speaks}"] == 1
        assert found["chatcli_http_requests_total websocket 101"] == 2


def test_callers_who_are_turned_away(server: ThreadServer, token: str) -> None:
    """They speak no protocol of ours, or lines where only TLS is accepted."""
    for said in (b"hello there, server\n", _UPGRADE + b"\x82\x82" + bytes(4) + b"{}"):
        with socket.create_connection(server.address[:2], DEADLINE) as connection:
            connection.sendall(said)
            assert connection.recv(4096)
    eventually(lambda: values(server, token).get("chatcli_refused_total tls_required") == 1)
    assert values(server, token)["chatcli_refused_total malformed"] == 1


def test_head(server: ThreadServer, token: str) -> None:
    """The same headers, and no body."""
    got = curl(url_of(server.address, "/metrics"), *bearing(token))
    answer = curl(url_of(server.address, "/metrics"), *bearing(token), "--head")
    assert (answer.status, answer.text) == (200, "")
    assert answer.headers["content-type"] == got.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert int(answer.headers["content-length"]) > 1000


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/metrics", "/healthz"])
def test_other_methods(server: ThreadServer, token: str, path: str, method: str) -> None:
    """They are refused, with or without a token."""
    answer = curl(url_of(server.address, path), *bearing(token), "--request", method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("options", [(), ("--header", "Authorization: Bearer")])
def test_no_token(server: ThreadServer, options: tuple[str, ...]) -> None:
    """This machine needs one, too; the answer says which."""
    answer = curl(url_of(server.address, "/metrics"), *options)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="chatcli"')
    assert "admin token NAME --scope metrics" in answer.text


def test_token_as_a_password(server: ThreadServer, token: str) -> None:
    """Under any name."""
    assert curl(url_of(server.address, "/metrics"), "--user", f"prometheus:{token}").status == 200


@pytest.mark.parametrize("scope", ["send", "read", "all"])
def test_token_of_another_scope(server: ThreadServer, data: Path, scope: str) -> None:
    """It is refused with a sentence."""
    other = does(data, "token", to="hook", scope=scope)["token"]
    answer = curl(url_of(server.address, "/metrics"), *bearing(other))
    assert answer.status == 403
    assert "not for the metrics" in answer.text


def test_banned_and_revoked_tokens(server: ThreadServer, data: Path, token: str) -> None:
    """They are worth nothing."""
    does(data, "ban", to="prometheus")
    assert curl(url_of(server.address, "/metrics"), *bearing(token)).status == 403
    does(data, "unban", to="prometheus")
    assert values(server, token)
    (row,) = answers(data, "tokens", to="prometheus")["rows"]
    assert row["used"] is not None
    does(data, "revoke", to=row["id"])
    assert curl(url_of(server.address, "/metrics"), *bearing(token)).status == 401


def test_wrong_tokens_count_as_wrong_proofs(tmp_path: Path) -> None:
    """After some of them the caller has to wait, with a right one, too; nobody else has."""
    with ThreadServer(tmp_path, Limits(proofs=3)) as server:
        token = does(tmp_path, "token", to="prometheus", scope="metrics")["token"]
        url = url_of(server.address, "/metrics")
        for number in range(3):
            answer = curl(url, *bearing(f"cct_{number:033}"))
            assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="chatcli"')
        answer = curl(url, *bearing(token))
        assert (answer.status, answer.headers["retry-after"]) == (429, "60")
        server.joined("alice").hang_up()


def test_caller_who_hangs_up(server: ThreadServer, token: str) -> None:
    """The metrics are written for nobody, and all is as before."""
    request = f"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    for _ in range(5):
        with socket.create_connection(server.address[:2], DEADLINE) as connection:
            connection.sendall(request)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    eventually(lambda: server.run(lambda: not server.hub.connections))
    assert values(server, token)["chatcli_sessions query"] == 1


def test_several_requests_on_a_connection(server: ThreadServer, token: str) -> None:
    """Each is answered in its turn."""
    url = url_of(server.address, "/metrics")
    options = ("--silent", "--noproxy", "*", *bearing(token), "--write-out", "%{http_code} %{num_connects}\n")
    urls = ("--output", "/dev/null", url) * 3
    done = subprocess.run(["curl", *options, *urls], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["200", "1", "200", "0", "200", "0"]


# Health


def test_health(server: ThreadServer) -> None:
    """It needs no token, and says nothing else."""
    answer = curl(url_of(server.address, "/healthz"))
    assert (answer.status, answer.text) == (200, "ok\n")
    assert curl(url_of(server.address, "/healthz"), "--head").status == 200


def test_health_on_a_full_disk(tmp_path: Path) -> None:
    """It is 503 while the log cannot be written, and 200 as soon as the disk has room, although nobody writes."""
    with small_disk(tmp_path) as disk, serving(disk.data) as (program, address), here(address, "bob") as bob:
        url = url_of(address, "/healthz")
        assert curl(url).status == 200
        disk.fill(program.process.pid)
        until_refused(bob, "bob", [])
        answer = curl(url)
        assert (answer.status, answer.headers["retry-after"]) == (503, "10")
        disk.make_room(program.process.pid)
        eventually(lambda: curl(url).status == 200)
