"""The user's own directory and files."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import platformdirs
import pytest

from chatcli.client.storage import files
from chatcli.errors import InputError


@pytest.mark.parametrize("base", [None, "", "  ", "relative/one", "/somewhere else/ü"])
@pytest.mark.parametrize("home", ["/home/alice", "/"])
def test_platform_directory(monkeypatch: pytest.MonkeyPatch, base: str | None, home: str) -> None:
    """It equals platformdirs', which is not imported on Linux."""
    monkeypatch.setenv("HOME", home)
    monkeypatch.delenv("XDG_CONFIG_HOME")
    if base is not None:
        monkeypatch.setenv("XDG_CONFIG_HOME", base)
    assert files.config_directory() == platformdirs.user_config_dir("chatcli", appauthor=False)


@pytest.mark.skipif(sys.platform != "linux", reason="this machine is no Linux: platformdirs decides")
def test_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative home never makes files in the working directory."""
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "here")
    with pytest.raises(InputError, match="XDG_CONFIG_HOME"):
        files.config_directory()


def test_file_is_made_once(tmp_path: Path) -> None:
    """The first writer wins, and no temporary file is left."""
    path = tmp_path / "new" / "own" / "file"
    assert files.read(str(path)) is None
    assert files.create(str(path), "first\n")
    assert not files.create(str(path), "second\n")
    assert files.read(str(path)) == "first\n"
    assert [file.name for file in path.parent.iterdir()] == ["file"]
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_appending_after_a_missing_newline(tmp_path: Path) -> None:
    """Two lines are not joined."""
    tmp_path.chmod(0o700)
    path = tmp_path / "file"
    path.touch(0o600)
    path.write_text("one")
    files.append_line(str(path), "two")
    files.append_line(str(path), "three")
    assert path.read_text() == "one\ntwo\nthree\n"


@pytest.mark.parametrize(("mode", "of"), [(0o644, "file"), (0o620, "file"), (0o750, "."), (0o701, ".")])
def test_open_file(tmp_path: Path, mode: int, of: str) -> None:
    """The error has a command to paste."""
    directory = tmp_path / "it's mine"
    files.create(str(directory / "file"), "x")
    loose = directory / of
    loose.chmod(mode)
    quoted = str(loose).replace("'", "'\"'\"'")
    with pytest.raises(InputError, match="Others may read or change") as refusal:
        files.read(str(directory / "file"))
    assert f"chmod {'700' if of == '.' else '600'} '{quoted}'" in str(refusal.value)


def test_unusable_directory(tmp_path: Path) -> None:
    """The error has the cause and a remedy."""
    (tmp_path / "chatcli").write_text("a file")
    for use in (files.read, lambda path: files.create(path, "x"), lambda path: files.append_line(path, "x")):
        with pytest.raises(InputError, match=r"Cannot use .*chatcli/file \(.*XDG_CONFIG_HOME"):
            use(str(tmp_path / "chatcli" / "file"))


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022])
def test_new_directories_are_private(tmp_path: Path, umask: int) -> None:
    """On every level, whatever the umask."""
    place = tmp_path / "state" / "chatcli" / "outbox"
    before = os.umask(umask)
    try:
        files.atomic_write(str(place / "file"), "text")
    finally:
        os.umask(before)
    for level in (place, place.parent, place.parent.parent):
        assert stat.S_IMODE(level.stat().st_mode) == 0o700
    assert stat.S_IMODE((place / "file").stat().st_mode) == 0o600


def test_directory_of_another_user(tmp_path: Path) -> None:
    """It is refused, because its owner could put anything there."""
    theirs = tmp_path
    if os.geteuid() == 0:
        os.chown(theirs, 12345, 12345)
    else:
        theirs = Path("/")
    with pytest.raises(InputError, match=r"belongs to another user \(uid \d+\): run chatcli as that user"):
        files.atomic_write(str(theirs / "file"), "text")
