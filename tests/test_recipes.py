"""Runs each block of ``docs/recipes.md``."""

from __future__ import annotations

import configparser
import contextlib
import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.here import run_here
from tests.recipes import PAGE, World, blocks, in_peace, needs, variables
from tests.support import DEADLINE, ThreadServer, eventually
from tests.terminal import Terminal


@pytest.fixture
def world(tmp_path: Path, server: ThreadServer) -> World:
    """A new world, with a user alice known to the server."""
    server.joined("alice").hang_up()
    return World(tmp_path, server)


def test_each_block_is_tested() -> None:
    """The number of blocks on the page is the number that tests run."""
    found = {
        title: len(re.findall(r"^```\w+$", part, flags=re.MULTILINE))
        for title, part in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    }
    assert found == {
        "The end of a long command": 3,
        "Cron": 1,
        "Git": 2,
        "GitHub Actions and GitLab CI": 3,
        "A token instead of a key": 3,
        "Send and follow with curl": 7,
        "Webhooks": 6,
        "Ask before a deploy": 2,
        "Page somebody who must see it": 1,
        "A log into a room": 1,
        "A server under systemd": 1,
        "A command for each message": 2,
        "Unread messages": 4,
        "Backups": 4,
        "Health checks": 5,
        "Metrics": 2,
    }


# The end of a long command


def test_command_that_has_ended(world: World) -> None:
    """A message to oneself reports the end of a command and its exit status."""
    world.program("make", "#!/bin/sh\nexit 2\n")
    line, _ = blocks("The end of a long command", "sh")
    in_peace(world.run("sh", "-c", line), "stored\n")
    done = world.run("chatcli", "history", "robin", "--json")
    assert json.loads(done.stdout)["text"] == "make: 2"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_function_keeps_the_status(world: World, shell: str) -> None:
    """In each shell the function sends the message, keeps the status and passes arguments unchanged."""
    needs(shell)
    make = world.program("make", '#!/bin/sh\necho "made $1"\nexit 3\n')
    function = blocks("The end of a long command", "fish" if shell == "fish" else "sh")[-1]
    done = world.run(shell, "-c", f"{function}\ntell make 'two words'")
    assert (done.returncode, done.stdout, done.stderr) == (3, "made two words\n", "")
    make.write_text("#!/bin/sh\nexit 0\n")
    (world.home / ".config/chatcli/config.toml").write_text('server = "127.0.0.1:1"\n')
    done = world.run(shell, "-c", f"{function}\ntell make")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")  # and it waits in the outbox
    assert len(world.run("chatcli", "outbox").stdout.splitlines()) == 1


# Tokens


def test_token_in_ci_and_cron(world: World) -> None:
    """The operator makes it, a CI step and a cron job use it, and neither needs a key or a name."""
    world.room("#builds")
    world.room("#ops")
    (line,) = blocks("A token instead of a key", "sh")
    made = world.run("sh", "-c", line.replace("admin token", f"admin --data {world.data} token"))
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    (step,) = blocks("A token instead of a key", "yaml")
    script = step.partition("run: |")[2]
    env = {
        "CHATCLI_TOKEN": token,
        "OUTCOME": "success",
        "GITHUB_WORKFLOW": "test",
        "GITHUB_REF_NAME": "main",
    }
    in_peace(world.run("bash", "-e", "-c", script, **env))
    assert world.said("#builds") == ["builds: test on main: success"]
    done = world.run("bash", "-e", "-c", script.replace("#builds", "#ops"), **env)
    assert (done.returncode, done.stdout) == (0, "::warning::The team was not told.\n")
    (crontab,) = blocks("A token instead of a key", "cron")
    world.program("nightly", "#!/bin/sh\nexit 1\n")
    nightly = world.run("chatcli", "admin", "--data", str(world.data), "token", "nightly", "--to", "#ops").stdout
    (world.home / ".nightly-token").write_text(nightly)
    in_peace(world.cron(crontab))
    assert world.said("#ops") == ["nightly: nightly has failed"]
    assert not (world.home / ".config/chatcli/key").exists()


# Cron


def test_job_reports_failures_only(world: World) -> None:
    """A job that succeeds sends nothing; the room gets the last lines of the output of one that fails."""
    world.room("#ops")
    (crontab,) = blocks("Cron", "cron")
    job = world.program("nightly", "#!/bin/sh\necho fine\n")
    in_peace(world.cron(crontab))
    assert world.said("#ops") == []
    job.write_text("#!/bin/sh\nseq 100\necho 'disk is 100% full' >&2\nexit 7\n")
    in_peace(world.cron(crontab))
    (told,) = world.said("#ops")
    assert told.startswith("cron: ")
    assert told.endswith("\n99\n100\ndisk is 100% full")


# Git


@pytest.fixture
def _repository(world: World) -> None:
    """Make a bare repository with the hook, and a clone of it in the home directory."""
    needs("git")
    world.room("#dev")
    bare, clone = world.home / "tool.git", world.home / "tool"
    assert world.run("git", "init", "-q", "--bare", "-b", "main", str(bare)).returncode == 0
    assert world.run("git", "clone", "-q", str(bare), str(clone)).returncode == 0
    for key, value in (("user.name", "Robin"), ("user.email", "robin@example.com")):
        world.run("git", "config", key, value, within="tool")
    receive, commit = blocks("Git", "sh")
    for path, script in ((bare / "hooks/post-receive", receive), (clone / ".git/hooks/post-commit", commit)):
        path.write_text(script)
        path.chmod(0o755)


@pytest.mark.usefixtures("_repository")
def test_hooks_for_commits_and_pushes(world: World) -> None:
    """Hooks report commits, and pushes to new and existing branches, but no deleted branch."""
    for number in (1, 2):
        world.run("git", "commit", "-q", "--allow-empty", "-m", f'"{number}" $(id)', within="tool")
        done = world.run("git", "push", "-q", "origin", "HEAD:main", "HEAD:refs/heads/x", within="tool")
        in_peace(done)
    in_peace(world.run("git", "push", "-q", "origin", ":x", within="tool"))
    said = [re.sub(r"\b[0-9a-f]{7,}\b", "H", text) for text in world.said("#dev")]
    assert said == [
        'robin: Robin committed H: "1" $(id)',
        'git: tool main:\nH Robin: "1" $(id)',
        'git: tool x:\nH Robin: "1" $(id)',
        'robin: Robin committed H: "2" $(id)',
        'git: tool main:\nH Robin: "2" $(id)',
        'git: tool x:\nH Robin: "2" $(id)',
    ]


@pytest.mark.usefixtures("_repository")
def test_push_works_without_the_chat(world: World) -> None:
    """Neither a push nor a commit fails because of the chat; the message is sent later."""
    settings = world.home / ".config/chatcli/config.toml"
    right = settings.read_text()
    settings.write_text('server = "127.0.0.1:1"\n')
    in_peace(world.run("git", "commit", "-q", "--allow-empty", "-m", "one", within="tool"))
    in_peace(world.run("git", "push", "-q", "origin", "HEAD:main", within="tool"))
    settings.write_text(right)
    assert world.said("#dev") == []


# CI


def test_ci_step_with_a_secret_key(world: World) -> None:
    """The ``run:`` of GitHub and the ``script:`` of GitLab work in the runners' shell."""
    world.room("#builds")
    (line,) = blocks("GitHub Actions and GitLab CI", "sh")
    secret = world.run("sh", "-c", line)
    assert secret.returncode == 0
    github, gitlab = blocks("GitHub Actions and GitLab CI", "yaml")
    given = {
        "CHATCLI_SERVER": str(world.server.address),
        "CHATCLI_PIN": world.server.hub.server_key,
        "BOT_KEY": secret.stdout,
        "OUTCOME": "success",
    }
    env = {**variables(github.partition("  run: |\n")[0], "env"), **given}
    assert set(env) == {"CHATCLI_SERVER", "CHATCLI_PIN", "CHATCLI_USER", "BOT_KEY", "OUTCOME"}
    env |= {f"GITHUB_{name}": name.lower() for name in ("WORKFLOW", "REF_NAME", "SERVER_URL", "REPOSITORY", "RUN_ID")}
    script = re.sub("^    ", "", github.partition("  run: |\n")[2], flags=re.MULTILINE)
    runner = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]
    for number in (1, 2):  # a runner that is reused still has the key
        in_peace(world.run(*runner, script, RUNNER_TEMP=str(world.home / "temp"), **env))
        assert len(world.said("#builds")) == number
    done = world.run(*runner, script, RUNNER_TEMP=str(world.home / "other"), **{**env, "CHATCLI_SERVER": "127.0.0.1:1"})
    assert (done.returncode, done.stdout) == (0, "::warning::The team was not told.\n")

    (world.home / "secret").write_text(secret.stdout)
    env = {**variables(gitlab, "variables"), **given, "CHATCLI_BOT_KEY": str(world.home / "secret")}
    env |= {f"CI_{name}": name.lower() for name in ("PROJECT_NAME", "COMMIT_REF_NAME", "PIPELINE_URL")}
    script = "\n".join(re.findall(r"^    - (.*)$", gitlab, flags=re.MULTILINE))
    in_peace(world.run("bash", "-eo", "pipefail", "-c", script, **env))
    assert world.said("#builds") == [
        *["ci: workflow on ref_name: success server_url/repository/actions/runs/run_id"] * 2,
        "ci: project_name commit_ref_name is through pipeline_url",
    ]


# Ask


@pytest.mark.parametrize(("answer", "status", "out"), [(0, 0, "deployed v7\n"), (1, 1, ""), (None, 1, "")])
def test_deploy_needs_a_yes(world: World, answer: int | None, status: int, out: str) -> None:
    """A deploy stops at a no, and without a server."""
    world.room("#ops")
    world.program("deploy", '#!/bin/sh\necho "deployed $1"\n').rename(world.home / "deploy")
    script, _ = blocks("Ask before a deploy", "sh")
    if answer is None:
        (world.home / ".config/chatcli/config.toml").write_text('server = "127.0.0.1:1"\n')
    done = answered(world, ["sh", "-c", script, "-", "v7"], answer)
    assert (done[0], done[1]) == (status, out)
    assert done[2].endswith("Not deployed.\n") or status == 0


def test_answers_in_words(world: World) -> None:
    """The chosen answer is carried out."""
    world.room("#ops")
    world.program("clean", "#!/bin/sh\necho cleaned\n").rename(world.home / "clean")
    _, script = blocks("Ask before a deploy", "sh")
    assert answered(world, ["sh", "-c", script], 0) == (0, "cleaned\n", "")
    assert answered(world, ["sh", "-c", script], 1) == (0, "left as it is\n", "")


def answered(world: World, command: list[str], answer: int | None) -> tuple[int, str, str]:
    """Run a command that asks, let alice answer, and return its result."""
    with world.server.joined("alice", "listen") as alice:
        process = subprocess.Popen(
            command, cwd=world.home, env=world.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with process:
            if answer is not None:
                question = alice.hears("message")
                alice.says("ack", seq=question["seq"])
                alice.sends("#ops", "", re=question["seq"], answer=answer)
            out, err = process.communicate(timeout=DEADLINE * 2)
    return process.returncode, out, err


# A log


def test_page_goes_on_to_the_next(world: World) -> None:
    """Until somebody has read it; otherwise the room is told, and the status is 1."""
    (script,) = blocks("Page somebody who must see it", "sh")
    path = world.program("page", script.replace("5m", "1s"))
    world.room("#ops")
    with world.server.joined("bob", revision=1) as bob, world.server.joined("carol", revision=1) as carol:
        done = world.run(str(path), "db2 is on fire")
        assert (done.returncode, done.stdout) == (1, "")
        assert "carol did not read it within 1s." in done.stderr
        assert world.said("#ops") == ["robin: Nobody has seen this: db2 is on fire"]
        bob.says("ack", seq=bob.hears("message")["seq"])
        carol.hears("message")
        path.write_text(script)
        with subprocess.Popen([str(path), "db2 is on fire"], env=world.environment, cwd=world.home) as paging:
            bob.says("read", of="robin", seq=bob.hears("message")["seq"])
            assert paging.wait(DEADLINE) == 0
    assert len(world.said("#ops")) == 1


def test_log_line_by_line(world: World) -> None:
    """Lines of a log arrive in order, whatever characters they have."""
    world.room("#ops")
    world.program("journalctl", "#!/bin/sh\nprintf '%s\\n' \"$*\" -x '  two  words' '$(id)'\n")
    (line,) = blocks("A log into a room", "sh")
    in_peace(world.run("bash", "-euo", "pipefail", "-c", line))
    assert [text.removeprefix("journal: ").strip() for text in world.said("#ops")] == [
        "--follow --lines 0 --output cat --unit nginx --priority warning", "-x", "two  words", "$(id)",
    ]  # fmt: skip


# systemd


def unit(world: World, section: str, number: int, name: str) -> Path:
    """Write a unit with the test's paths of programs."""
    path = world.home / name
    text = blocks(section, "ini")[number]
    for place in ("/usr/local/bin", "/usr/local/sbin", "%h/bin"):
        text = text.replace(place, str(world.programs))
    path.write_text(text)
    return path


def verified(path: Path) -> configparser.SectionProxy:
    """Check a unit with systemd, if there is one, and return its settings."""
    if shutil.which("systemd-analyze"):
        done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path)
    return parser["Timer" if path.suffix == ".timer" else "Service"]


def test_systemd_unit(world: World, tmp_path: Path) -> None:
    """Systemd accepts the unit, rates its exposure low, and is notified when the server is ready."""
    path = unit(world, "A server under systemd", 0, "chatcli.service")
    service = verified(path)
    if shutil.which("systemd-analyze"):
        offline = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(path)]
        done = subprocess.run(offline, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-200:] + done.stderr
    assert (service["Type"], service["ExecReload"]) == ("notify", "/bin/kill -HUP $MAINPID")
    command = service["ExecStart"].replace("${STATE_DIRECTORY}", str(tmp_path / "state"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(DEADLINE)
        telling = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000000", "CHATCLI_SERVE_PORT": "0"}
        process = subprocess.Popen(
            shlex.split(command), env={**world.environment, **telling}, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        with ended(process):
            assert manager.recv(1000).startswith(b"READY=1\nSTATUS=Serving on 0.0.0.0:")
            assert manager.recv(1000) == b"WATCHDOG=1"
            done = world.run("chatcli", "admin", "--data", str(tmp_path / "state"), "status", "--json")
            assert json.loads(done.stdout)["log"] == "writable"
            process.terminate()
            assert process.wait(DEADLINE) == 0


@contextlib.contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End a process, also if the test fails."""
    with process:
        try:
            yield
        finally:
            process.kill()


def without_children(process: subprocess.Popen[bytes]) -> bool:
    """Return whether a process has no children."""
    return not Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()


def test_command_for_each_message(world: World) -> None:
    """A command runs for each message from its last position on, and a signal ends it cleanly."""
    world.room("#ops")
    (page,) = blocks("A command for each message", "sh")
    world.program("page", page)
    pages = world.home / "pages"
    world.program("notify-send", f'#!/bin/sh\nprintf "%s|" "$@" >> {pages}\n')
    command = shlex.split(verified(unit(world, "A command for each message", 0, "chatcli-page.service"))["ExecStart"])
    for number in (2, 4):
        process = subprocess.Popen(command, env=world.environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with ended(process), world.server.joined("alice", "send") as alice:
            eventually(lambda: "robin" in members(world), "robin has entered the room")
            alice.sends("#ops", f"number {number}; $(id)")
            eventually(partial(paged, pages, number), "the page")
            eventually(partial(without_children, process), "the end of the command, without which it is run again")
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE) == 0
    assert pages.read_text() == "".join(f"alice in #ops|number {number}; $(id)|" for number in (2, 4))


def paged(pages: Path, ends: int) -> bool:
    """Return whether this number of messages was handled; two fill a page."""
    return pages.exists() and pages.read_text().count("|") == ends


def members(world: World) -> str:
    """Return the members of #ops."""
    return run_here("who", "#ops", "--user", "alice", "--server", str(world.server.address)).stdout


# Unread


@pytest.fixture
def waiting(world: World) -> World:
    """A world with three unread messages for robin, the first one from robin."""
    assert world.run("chatcli", "send", "me", "one").returncode == 0
    with world.server.joined("alice", "send") as alice:
        for text in ("two", "three"):
            alice.sends("robin", text)
            alice.hears("sent")
    return world


@pytest.mark.parametrize(
    ("shell", "number", "show"),
    [
        ("bash", 0, 'PS1="$ "; {}\necho "${{PS1@P}}"'),
        ("zsh", 0, "PROMPT='$ '; {}\nprint -P $PROMPT"),
        ("fish", 0, "{}\nfish_right_prompt"),
    ],
)
def test_prompt_shows_unread(waiting: World, shell: str, number: int, show: str) -> None:
    """The prompt has the unread count in brackets, and nothing without unread messages or without a server."""
    needs(shell)
    prompt = show.format(blocks("Unread messages", shell)[number])
    done = waiting.run(shell, "-c", prompt)
    assert (done.stdout.strip(), done.stderr) == ("(3)" if shell == "fish" else "(3) $", "")
    (waiting.home / ".config/chatcli/config.toml").write_text('server = "127.0.0.1:1"\n')
    done = waiting.run(shell, "-c", prompt)
    assert (done.stdout.strip(), done.stderr) == ("" if shell == "fish" else "$", "")


def test_tmux_shows_unread(waiting: World, tmp_path: Path) -> None:
    """The right of tmux's status line has the unread count."""
    needs("tmux")
    (waiting.home / ".tmux.conf").write_text(blocks("Unread messages", "tmux")[0])
    home = {name: waiting.environment[name] for name in ("HOME", "LOGNAME", "PATH", "PYTHONPATH")}
    own = {"XDG_CONFIG_HOME": f"{waiting.home}/.config", "XDG_STATE_HOME": f"{waiting.home}/.local/state"}
    with Terminal.of_shell(f"tmux -S {tmp_path}/t new-session 'sleep 100'", 80, 24, **home, **own) as terminal:
        try:
            eventually(lambda: re.search(r" 3 unread  \d\d:\d\d$", terminal.toolbar), "the number")
        finally:
            waiting.run("tmux", "-S", f"{tmp_path}/t", "kill-server")


# Backups and health


def test_backup_for_each_weekday(world: World) -> None:
    """A backup prints nothing; a failure is printed and sent to a room."""
    world.room("#ops")
    (crontab,) = blocks("Backups", "cron")
    crontab = crontab.replace("backup -q", f"backup -q --data {world.data}")
    done = world.cron(crontab)  # the directory does not exist yet
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (0, "", 1)
    assert world.said("#ops") == ["cron: The backup failed: 1"]
    (world.home / "backups").mkdir()
    for _ in range(2):
        in_peace(world.cron(crontab))
    (copy,) = (world.home / "backups").iterdir()
    assert re.fullmatch(r"chatcli-[1-7]\.db", copy.name)
    assert len(world.said("#ops")) == 1


def test_timer_keeps_fourteen_backups(world: World, tmp_path: Path) -> None:
    """Older backups are deleted once the new one exists."""
    (script,) = blocks("Backups", "sh")
    kept = tmp_path / "backups"
    script = script.replace("/var/backups/chatcli", str(kept)).replace("/var/lib/chatcli", str(world.data))
    world.program("chatcli-backup", script)
    assert verified(unit(world, "Backups", 0, "chatcli-backup.service"))["Type"] == "oneshot"
    assert verified(unit(world, "Backups", 1, "chatcli-backup.timer"))["Persistent"] == "true"
    kept.mkdir()
    for day in range(10, 26):
        (kept / f"chatcli-202001{day}-030000.db").touch()
    in_peace(world.run("chatcli-backup"))
    names = sorted(path.name for path in kept.iterdir())
    assert len(names) == 14
    assert names[:-1] == [f"chatcli-202001{day}-030000.db" for day in range(13, 26)]


def test_health_is_an_exit_status(world: World) -> None:
    """The status is 0 while the server is well, and 5 where no server answers."""
    near, here, _ = blocks("Health checks", "sh")
    for line in (near, here):
        in_peace(world.run("bash", "-euo", "pipefail", "-c", line, CHATCLI_SERVE_DATA=str(world.data)))
    world.server.stop()
    for line in (near, here):
        done = world.run("bash", "-euo", "pipefail", "-c", line, CHATCLI_SERVE_DATA=str(world.data))
        assert (done.returncode, done.stdout) == (5, "")
