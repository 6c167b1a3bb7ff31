"""The user's own directories, and private files in them that are written whole.

Paths are strings: importing pathlib would be felt in the time that ``chatcli send`` takes.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from chatcli.errors import InputError
from chatcli.protocol.values.address import Address, canonical, other_spellings

_NAME_LENGTH = 32  # characters of a hash: names of people may be longer than a file's name can be


def config_directory() -> str:
    """Return the directory of the user's configuration, which need not exist.

    Raises:
        InputError: the system does not know where the user's home is.
    """
    return _directory("XDG_CONFIG_HOME", "~/.config", "user_config_dir")


def state_directory() -> str:
    """Return the directory of the files that chatcli keeps from one start to the next, which need not exist.

    Raises:
        InputError: the system does not know where the user's home is.
    """
    return _directory("XDG_STATE_HOME", "~/.local/state", "user_state_dir")


def outbox_directory() -> str:
    """Return the directory of messages that wait to be sent, which need not exist.

    Raises:
        InputError: the system does not know where the user's home is.
    """
    return os.path.join(state_directory(), "outbox")


def outbox_is_empty() -> bool:
    """Return whether no message waits in the outbox, for any user and server."""
    try:
        return not os.listdir(outbox_directory())
    except (OSError, InputError):
        return True


def file_name(*parts: str) -> str:
    """Return a name for the file of these parts, such as a server and a user, whatever characters they have."""
    import hashlib

    return hashlib.sha256("\n".join(parts).encode(errors="surrogatepass")).hexdigest()[:_NAME_LENGTH]


def moved_servers_path() -> str:
    """Return the path of the file that says which servers have moved."""
    return os.path.join(state_directory(), "servers", "addresses")


def moved_servers() -> dict[str, str]:
    """Return the names of the servers that have moved, by their newer addresses; nothing if the file is unreadable."""
    found: dict[str, str] = {}
    with contextlib.suppress(InputError):
        for line in (read(moved_servers_path()) or "").split("\n"):
            match line.split():
                case [address, name] if not address.startswith("#"):
                    found[address] = name
    return found


def server_names(server: Address) -> list[str]:
    """Return the name under which files of a server are stored, and then those under which older ones may be."""
    server = canonical(server)
    own = server.key
    known = moved_servers()
    name = known.get(own, own)
    if name != own and own in known.values():
        return [name]  # files under the address belong to another server, which was there before
    return list(dict.fromkeys([name, own, *(other.key for other in other_spellings(server))]))


def _directory(variable: str, on_linux: str, elsewhere: str) -> str:
    base = os.environ.get(variable, "").strip()
    if os.path.isabs(base):
        directory = os.path.join(base, "chatcli")
    elif sys.platform == "linux":
        # The same as platformdirs, whose import takes a quarter as long as that of click.
        directory = os.path.join(os.path.expanduser(on_linux), "chatcli")
    else:
        import platformdirs

        directory = getattr(platformdirs, elsewhere)("chatcli", appauthor=False)
    if not os.path.isabs(directory):
        raise InputError(f"This system does not know your home directory: name one for your files in {variable}.")
    return directory


def read(path: str) -> str | None:
    """Return the text of a private file, or None if there is no such file.

    Raises:
        InputError: others may see or change the file or its directory, or it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            require_private(os.stat(os.path.dirname(path)), os.path.dirname(path), "700")
            require_private(os.fstat(file.fileno()), path, "600")
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error) from None


def create(path: str, text: str) -> bool:
    """Write a file, whole and flushed to the disk, unless there is one; return whether it was written.

    Raises:
        InputError: the directory is open to others, or cannot be written.
    """
    try:
        with _prepared(path, text) as temporary:
            # Unlike renaming, linking fails if the file exists: of several processes, one wins.
            return _link(temporary, path)
    except OSError as error:
        raise _unusable(path, error) from None


def atomic_write(path: str, text: str) -> None:
    """Write a file, whole and flushed to the disk, in place of one that may be there.

    Raises:
        InputError: the directory is open to others, or cannot be written.
    """
    try:
        with _prepared(path, text) as temporary:
            os.replace(temporary, path)
    except OSError as error:
        raise _unusable(path, error) from None


def replace(path: str, text: str, backup: str) -> None:
    """Write a file in place of another, which is kept as ``backup``.

    Raises:
        InputError: the backup exists already, the directory is open to others, or cannot be written.
    """
    try:
        with _prepared(path, text) as temporary:
            if not _link(path, backup):
                raise InputError(f"{backup} is there already, and would be lost: move it away, then try again.")
            os.replace(temporary, path)
    except OSError as error:
        raise _unusable(path, error) from None


def append_line(path: str, line: str) -> None:
    """Append a line to a private file; lines that several processes append at once stay whole.

    Raises:
        InputError: the file is open to others, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        try:
            require_private(os.stat(os.path.dirname(path)), os.path.dirname(path), "700")
            require_private(os.fstat(descriptor), path, "600")
            append(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unusable(path, error) from None


def append(descriptor: int, data: bytes) -> None:
    """Append lines to an open file and flush it to the disk, or leave it as it was.

    Raises:
        OSError: it cannot be written.
    """
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":  # the last line is incomplete
        data = b"\n" + data
    written = 0
    try:
        while written < len(data):
            written += os.write(descriptor, data[written:])
        os.fsync(descriptor)
    except OSError:  # with a full disk, half a line would be in the way
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
        raise


def lock(path: str, flags: int = os.O_RDWR) -> int | None:
    """Open a file or a directory and lock it until it is closed; return None if another process uses or removed it.

    Raises:
        OSError: it cannot be opened or locked.
    """
    import fcntl

    descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The process that had it locked a moment ago may have removed it.
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def migrate(path: str, *older: str) -> str:
    """Return a path, after renaming the first file found under an older path to it, unless it exists."""
    if not os.path.lexists(path):
        for other in older:
            with contextlib.suppress(OSError):
                os.link(other, path, follow_symlinks=False)  # of several processes, one wins
                os.unlink(other)
                break
    return path


def make_directory(path: str) -> None:
    """Create a directory and its missing parents, for their owner only, whatever the umask.

    Raises:
        OSError: it cannot be created, or something else has its name.
    """
    if os.path.isdir(path):
        return
    above = os.path.dirname(path)
    if above != path:
        make_directory(above)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):  # else another process has just made it
            raise
    else:
        os.chmod(path, 0o700)


@contextlib.contextmanager
def _prepared(path: str, text: str) -> Iterator[str]:
    """Write a temporary file in the directory of ``path``, yield its path, and then flush the directory."""
    directory = os.path.dirname(path)
    make_directory(directory)
    require_private(os.stat(directory), directory, "700")
    with temporary_file(f"{path}.{os.urandom(8).hex()}", text.encode()) as temporary:
        yield temporary
        sync_directory(directory)


@contextlib.contextmanager
def temporary_file(path: str, data: bytes, *, durable: bool = True) -> Iterator[str]:
    """Write a new private file and yield its path; at the end it is removed, unless it was renamed.

    Args:
        path: the file, which must not exist.
        data: what to write.
        durable: flush it to the disk.

    Raises:
        OSError: it cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(descriptor)
        yield path
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _link(path: str, name: str) -> bool:
    try:
        os.link(path, name)
    except FileExistsError:
        return False
    return True


def sync_directory(directory: str) -> None:
    """Flush the names in a directory to the disk: without its name, a file would be lost."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_private(status: os.stat_result, path: str, mode: str) -> None:
    """Raise if others may read or change a file or a directory.

    Args:
        status: its status.
        path: its path.
        mode: the permissions that it should have, for the sentence.

    Raises:
        InputError: others may read or change it, or it belongs to another user.
    """
    if sys.platform != "win32" and status.st_uid != os.geteuid():
        raise InputError(
            f"{path} belongs to another user (uid {status.st_uid}): run chatcli as that user, or set HOME to your own."
        )
    if status.st_mode & 0o077:
        from chatcli.protocol.values.text import quoted

        raise InputError(f'Others may read or change {path}: run "chmod {mode} {quoted(path)}".')


def _unusable(path: str, error: OSError) -> InputError:
    variable = "XDG_STATE_HOME" if path.startswith(os.path.join(state_directory(), "")) else "XDG_CONFIG_HOME"
    return InputError(
        f"Cannot use {path} ({error.strerror or error}): make that possible, or name another directory for your files "
        f"in {variable}."
    )
