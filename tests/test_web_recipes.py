"""Runs each block of ``docs/recipes.md`` that speaks HTTP.

The requests of products that are not here are made as their configuration says, with the payloads that they document.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import subprocess
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.gateway.web.payloads import SAMPLES
from tests.recipes import World, blocks, in_peace, needs, variables
from tests.support import DEADLINE, ThreadServer

CURL: Final = "Send and follow with curl"
HOOKS: Final = "Webhooks"
CHAT: Final = "chat.example.com:8080"
WRONG_PIN: Final = 90
REFUSED: Final = 22


class Web(World):
    """A world in which the address of the page is the server's."""

    def located(self, block: str) -> str:
        """Return a block with the server's address in the place of the page's."""
        return block.replace(CHAT, str(self.server.address)).replace("127.0.0.1:8080", str(self.server.address))

    def sh(self, script: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a script as robin, with ``curl`` as it is on this machine."""
        return self.run("bash", "-euo", "pipefail", "-c", self.located(script), **env)

    def token(self, *options: str, name: str = "robot") -> str:
        """Return a new token of a program."""
        done = self.run("chatcli", "admin", "--data", str(self.data), "token", name, *options)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def curl_file(self, token: str, name: str = ".chat.curl", pin: str = "") -> None:
        """Write the file for curl as the page does."""
        block = blocks(CURL, "sh")[1].replace(".chat.curl", name)
        in_peace(self.sh(block, PIN=pin or self.server.hub.server_key, CHATCLI_TOKEN=token))
        assert (self.home / name).stat().st_mode & 0o777 == 0o600


@pytest.fixture
def web(tmp_path: Path, server: ThreadServer) -> Web:
    """A new world with a room, and a user alice known to the server."""
    needs("curl")
    needs("jq")
    server.joined("alice").hang_up()
    server.joined("bob").hang_up()
    world = Web(tmp_path, server)
    world.room("#ops")
    return world


def sent(done: subprocess.CompletedProcess[str], answers: int = 1) -> None:
    """Check that messages were stored, each with an answer that says so: a word and a number, or JSON for JSON."""
    assert (done.returncode, done.stderr) == (0, "")
    outcomes = [json.loads(line)["outcome"] if line[0] == "{" else line.split()[0] for line in done.stdout.splitlines()]
    assert (set(outcomes) <= {"stored", "delivered"}, len(outcomes)) == (True, answers)


# curl


def test_messages_by_curl(web: Web) -> None:
    """Texts and JSON are sent to a room and to a person, by one's own token, from a file that nobody else can read."""
    in_peace(web.run("chatcli", "send", "-q", "me", "I am robin"))
    made = web.sh(blocks(CURL, "sh")[0])
    assert made.returncode == 0, made.stderr
    web.curl_file(made.stdout.strip())
    web.program("make", "#!/bin/sh\necho 'all is made'\n")
    sent(web.sh(blocks(CURL, "sh")[2], MESSAGE='"quoted" $(id)\nü'), answers=3)
    assert web.said("#ops") == ["robin: deploy done", 'robin: "quoted" $(id)\nü']
    with web.server.joined("bob", "listen") as bob:
        assert bob.hears("message")["text"] == "all is made"


def test_another_key_gets_nothing(web: Web) -> None:
    """With the pin of another key curl sends nothing, with a wrong token the server refuses."""
    line = blocks(CURL, "sh")[2].partition("\n")[0]
    token = web.token("--to", "#ops")
    web.curl_file(token, pin="SHA256:" + "A" * 43)
    assert web.sh(line).returncode == WRONG_PIN
    web.curl_file("cct_wrong")
    done = web.sh(line)
    assert done.returncode == REFUSED
    assert "token" in done.stdout
    assert web.said("#ops") == []


def test_job_reports_by_curl(web: Web) -> None:
    """A job in a crontab reports by curl, and prints nothing."""
    web.curl_file(web.token("--to", "#ops"))
    web.program("nightly", "#!/bin/sh\nexit 1\n")
    (crontab,) = blocks(CURL, "cron")
    in_peace(web.cron(web.located(crontab)))
    assert web.said("#ops") == ["robot: nightly has failed"]


def test_step_without_chatcli(web: Web) -> None:
    """A step in GitHub Actions sends by curl alone; a failure to do so does not fail the job."""
    (step,) = blocks(CURL, "yaml")
    before, _, script = step.partition("  run: |\n")
    assert set(variables(before, "env")) == {"CHAT", "PIN", "CHATCLI_TOKEN", "OUTCOME"}
    env = {
        "CHAT": f"https://{web.server.address}",
        "PIN": web.server.hub.server_key,
        "CHATCLI_TOKEN": web.token("--to", "#ops"),
        "OUTCOME": "success",
        "GITHUB_WORKFLOW": "@test",
        "GITHUB_REF_NAME": "main",
    }
    sent(web.run("bash", "-eo", "pipefail", "-c", script.replace("/builds", "/ops"), **env))
    assert web.said("#ops") == ["robot: @test on main: success"]
    done = web.run("bash", "-eo", "pipefail", "-c", script, **env)  # a room that it is not for
    assert done.returncode == 0
    assert done.stdout.endswith("::warning::The team was not told.\n")


def test_followed_by_curl(web: Web) -> None:
    """Messages come as events, and as lines, for as long as curl runs."""
    web.curl_file(web.token("--to", "#ops", "--scope", "read"), ".chat-read.curl")
    events, lines = blocks(CURL, "sh")[3:]
    with web.server.joined("alice", "send") as alice:
        alice.sends("#ops", "before")
        alice.hears("sent")
        with reading(web, events) as heard, reading(web, lines) as shown:
            assert said(heard) == ("alice", "before")
            assert next(shown) == "alice: before\n"
            alice.sends("#ops", "after")
            assert said(heard) == ("alice", "after")
            assert next(shown) == "alice: after\n"


def said(events: Iterator[str]) -> tuple[str, str]:
    """Return the sender and the text of the next message among Server-Sent Events."""
    data = next(line for line in events if line.startswith("data:"))
    message = json.loads(data.removeprefix("data:"))
    return message["from"], message["text"]


class reading:  # noqa: N801 (it is used as a function)
    """The lines that a block prints, until the end of a ``with``."""

    def __init__(self, web: Web, block: str) -> None:
        command = ["bash", "-c", web.located(block)]
        self._process = subprocess.Popen(
            command, cwd=web.home, env=web.environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def __enter__(self) -> Iterator[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.communicate(timeout=DEADLINE)


# Webhooks


def test_webhooks_of_github_and_slack(web: Web) -> None:
    """Payloads of GitHub and Slack, and what jq takes out of others, come as texts, with the token in URL or header."""
    with web.server.joined("alice", "send") as alice:
        alice.enters("#dev")
    make, github, slack, other = blocks(HOOKS, "sh")
    made = web.sh(make.replace("admin token", f"admin --data {web.data} token"))
    assert made.returncode == 0, made.stderr
    (web.home / "report.json").write_text('{"message": "the report\\nis here"}')
    web.curl_file(made.stdout.strip())
    for block in (github, slack, other):
        sent(web.sh(block))
    assert web.said("#dev") == [
        "github: GitHub: the webhook works. Keep it logically awesome.",
        "github: Build 7 (https://ci.example.com/7) failed",
        "github: the report\nis here",
    ]
    url = f"https://{web.server.address}/-/hook/{made.stdout.strip()}"
    push = SAMPLES["github_push"]
    answers = [request(web, url, push.body, push.headers) for _ in range(2)]
    assert [status for status, _ in answers] == [200, 200]
    assert web.said("#dev")[3:] == ["github: " + "\n".join(push.text)]
    quiet = SAMPLES["github_issue_labeled"]
    assert request(web, url, quiet.body, quiet.headers) == (204, "")
    status, sentence = request(web, url, {"unknown": 1}, {"Content-Type": "application/json"})
    assert (status, "jq" in sentence) == (422, True)
    assert len(web.said("#dev")) == 4


def test_alertmanager(web: Web) -> None:
    """Alertmanager posts with the token of a file, and trusts the certificate under the name in its configuration."""
    (receiver,) = parsed(web, HOOKS, 0)["receivers"]
    (config,) = receiver["webhook_configs"]
    assert set(config) == {"url", "http_config"}
    assert set(config["http_config"]) == {"authorization", "tls_config"}
    (web.home / "chatcli.token").write_text(web.token("--to", "#ops", name="alertmanager"))
    sample = SAMPLES["alertmanager"]
    for repetition in ({}, {"externalURL": "http://replica.example.org:9093"}):
        body = {**sample.body, **repetition}
        headers = {**sample.headers, **authorized(web, config["http_config"]["authorization"])}
        status, _ = request(web, config["url"], body, headers, config["http_config"]["tls_config"])
        assert status == 200
    assert web.said("#ops") == ["alertmanager: " + "\n".join(sample.text)]


def test_grafana(web: Web) -> None:
    """Grafana posts with the token of its environment."""
    (point,) = parsed(web, HOOKS, 1)["contactPoints"]
    (receiver,) = point["receivers"]
    settings = receiver["settings"]
    assert (receiver["type"], settings["authorization_credentials"]) == ("webhook", "$CHATCLI_TOKEN")
    token = web.token("--to", "#ops", name="grafana")
    sample = SAMPLES["grafana"]
    headers = {**sample.headers, "Authorization": f"{settings['authorization_scheme']} {token}"}
    assert settings["tlsConfig"] == {"insecureSkipVerify": True}
    assert request(web, settings["url"], sample.body, headers)[0] == 200
    assert web.said("#ops") == ["grafana: " + "\n".join(sample.text)]


# Health and metrics


def test_health_of_a_container(web: Web) -> None:
    """The checks of a container succeed while the server runs, and fail after that."""
    (dockerfile,) = blocks("Health checks", "dockerfile")
    instruction, _, command = dockerfile.strip().partition(" CMD ")
    assert instruction.startswith("HEALTHCHECK --")
    service = parsed(web, "Health checks", 0)["services"]["chat"]
    first, *words = service["healthcheck"]["test"]
    assert first == "CMD"
    line = blocks("Health checks", "sh")[2]
    checks = [["sh", "-c", web.located(command)], words, ["sh", "-c", web.located(line)]]
    for check in checks:
        done = web.run(*check)
        assert (done.returncode, done.stdout.strip()) == (0, "ok")
    web.server.stop()
    assert [web.run(*check).returncode for check in checks] == [1, 7, 7]


def test_prometheus(web: Web) -> None:
    """Prometheus scrapes with a token that is good for nothing else, and its own parser understands the answer."""
    (make,) = blocks("Metrics", "sh")
    assert web.sh(make.replace("admin token", f"admin --data {web.data} token")).returncode == 0
    (job,) = parsed(web, "Metrics", 0)["scrape_configs"]
    ((target,),) = (one["targets"] for one in job["static_configs"])
    url = f"{job['scheme']}://{target}/metrics"
    headers = authorized(web, job["authorization"])
    status, text = request(web, url, None, headers, job["tls_config"])
    assert status == 200
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {"chatcli_people", "chatcli_messages"} <= names
    assert request(web, url, None, {}, job["tls_config"])[0] == 401
    assert request(web, f"https://{target}/ops", {"text": "x"}, headers)[0] == 403


def parsed(web: Web, section: str, number: int) -> Any:  # noqa: ANN401 (it is YAML)
    """Return the content of a block of YAML, with the server's address in it."""
    return yaml.safe_load(web.located(blocks(section, "yaml")[number]))


def authorized(web: Web, config: Mapping[str, str]) -> dict[str, str]:
    """Return the header of the ``authorization`` of Prometheus and Alertmanager, with a file in the home directory."""
    assert set(config) == {"credentials_file"}
    return {"Authorization": f"Bearer {(web.home / Path(config['credentials_file']).name).read_text().strip()}"}


def request(
    web: Web, url: str, body: object, headers: Mapping[str, str], tls_config: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Make a request as a product does, and return the status and the text of the answer."""
    address = urllib.parse.urlsplit(url)
    assert address.scheme == "https"
    context = ssl.create_default_context()
    context.check_hostname = tls_config is not None
    context.verify_mode = ssl.CERT_REQUIRED if tls_config else ssl.CERT_NONE
    if tls_config:
        assert Path(tls_config["ca_file"]).name == "chatcli.crt"
        context.load_verify_locations(web.server.certificate)
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN  # as Go does: the certificate is in the pool
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=DEADLINE)
    connection.connect()
    name = tls_config["server_name"] if tls_config else address.hostname
    connection.sock = context.wrap_socket(connection.sock, server_hostname=name)
    try:
        method = "GET" if body is None else "POST"
        connection.request(method, address.path, None if body is None else json.dumps(body).encode(), dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
