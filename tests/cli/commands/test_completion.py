"""``chatcli completion``: the scripts and their places."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chatcli.cli.completion.scripts import SCRIPTS
from tests.support import chatcli, environment


@pytest.mark.parametrize("shell", SCRIPTS)
def test_script(shell: str, tmp_path: Path) -> None:
    """It is printed for the named shell or one's own, and the shell can parse it."""
    done = chatcli("completion", SHELL=f"/usr/bin/{shell}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == SCRIPTS[shell] == chatcli("completion", shell, SHELL="/bin/false").stdout
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    path = tmp_path / "script"
    path.write_text(done.stdout)
    command = [shell, *(["-f"] if shell == "zsh" else []), "-n", str(path)]
    read = subprocess.run(command, capture_output=True, text=True, env=environment(HOME=str(tmp_path)), check=False)
    assert (read.returncode, read.stdout, read.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("shell", "env", "path", "advice"),
    [
        ("bash", {}, ".local/share/bash-completion/completions/chatcli", "~/.bashrc"),
        ("bash", {"XDG_DATA_HOME": "{home}/data"}, "data/bash-completion/completions/chatcli", ""),
        ("bash", {"BASH_COMPLETION_USER_DIR": "{home}/bc"}, "bc/completions/chatcli", ""),
        ("zsh", {}, ".zfunc/_chatcli", "fpath+=("),
        ("zsh", {"ZDOTDIR": "{home}/z"}, "z/.zfunc/_chatcli", "z/.zshrc"),
        ("fish", {}, ".config/fish/completions/chatcli.fish", "A new shell has it."),
        ("fish", {"XDG_CONFIG_HOME": "{home}/c"}, "c/fish/completions/chatcli.fish", ""),
    ],
)
def test_install(shell: str, env: dict[str, Any], path: str, advice: str, tmp_path: Path) -> None:
    """The file goes where the shell looks; a sentence has the remaining step, as no other file is changed."""
    given: dict[str, Any] = {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": "",
        **{key: at.format(home=tmp_path) for key, at in env.items()},
    }
    done = chatcli("completion", "--install", shell, **given)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / path}\n")
    assert advice in done.stderr
    assert (tmp_path / path).read_text() == SCRIPTS[shell]
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [tmp_path / path]
    assert stat.S_IMODE((tmp_path / path).stat().st_mode) == 0o666 & ~_umask()
    again = chatcli("completion", "--install", "-q", shell, **given)
    assert (again.returncode, again.stderr) == (0, "")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize(
    ("arguments", "env", "sentence"),
    [
        ([], {"SHELL": "/bin/ksh"}, 'Your shell is "ksh", which chatcli does not know: name one of bash, zsh, fish.'),
        ([], {"SHELL": ""}, "SHELL does not say which shell is yours: name one of bash, zsh, fish."),
        (["tcsh"], {}, "'tcsh' is not one of 'bash', 'zsh', 'fish'."),
        (["bash", "--install"], {"HOME": "nowhere"}, "name a directory in XDG_DATA_HOME."),
        (["fish", "--install"], {"HOME": "/dev/null", "XDG_CONFIG_HOME": ""}, "Cannot write /dev/null/"),
    ],
)
def test_errors(arguments: list[str], env: dict[str, Any], sentence: str) -> None:
    """The sentence has the remedy."""
    done = chatcli("completion", *arguments, **env)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
