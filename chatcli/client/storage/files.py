"""The user's own directory, and files in it that appear whole and are for nobody else.

Paths are strings: importing pathlib would be felt in the time that ``chatcli send`` takes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator

from chatcli.errors import InputError
from chatcli.protocol.address import Address, canonical, other_spellings

_NAME_LENGTH = 32  # characters of a hash: names of people may be longer than those of files


def config_directory() -> str:
    """Return chatcli's directory among the user's configuration, which need not be there.

    Raises:
        InputError: the system does not know where the user's home is.
    """
    return _directory("XDG_CONFIG_HOME", "~/.config", "user_config_dir")


def state_directory() -> str:
    """Return the directory for what chatcli remembers from one start to the next, which need not be there.

    Raises:
        InputError: the system does not know where the user's home is.
    """
    return _directory("XDG_STATE_HOME", "~/.local/state", "user_state_dir")


def outbox_directory() -> str:
    """Return where what waits to be sent lies; it need not be there.

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
    """Return a name for the file that belongs to these, such as a server and a user, whatever is in their names."""
    import hashlib

    return hashlib.sha256("\n".join(parts).encode(errors="surrogatepass")).hexdigest()[:_NAME_LENGTH]


def moved_path() -> str:
    """Return where the file lies that says which servers are known by the name of another address."""
    return os.path.join(state_directory(), "servers", "addresses")


def moved() -> dict[str, str]:
    """Return the names of servers by their addresses; only those that have moved. What cannot be read is not there."""
    found: dict[str, str] = {}
    with contextlib.suppress(InputError):
        for line in (read(moved_path()) or "").split("\n"):
            match line.split():
                case [address, name] if not address.startswith("#"):
                    found[address] = name
    return found


def names_of(server: Address) -> list[str]:
    """Return the name under which what is kept of a server lies, and then those under which something older may lie."""
    server = canonical(server)
    own = str(server).lower()
    known = moved()
    name = known.get(own, own)
    if name != own and own in known.values():
        return [name]  # what lies under the address is another server's, which was there before
    return list(dict.fromkeys([name, own, *(str(other).lower() for other in other_spellings(server))]))


def _directory(variable: str, on_linux: str, elsewhere: str) -> str:
    base = os.environ.get(variable, "").strip()
    if os.path.isabs(base):
        directory = os.path.join(base, "chatcli")
    elif sys.platform == "linux":
        # As platformdirs says, too; but importing that takes a quarter of what click takes.
        directory = os.path.join(os.path.expanduser(on_linux), "chatcli")
    else:
        import platformdirs

        directory = getattr(platformdirs, elsewhere)("chatcli", appauthor=False)
    if not os.path.isabs(directory):
        raise InputError(f"This system does not know your home directory: name one for your files in {variable}.")
    return directory


def read(path: str) -> str | None:
    """Return the text of a file that only its owner may see, or None where there is no such file.

    Raises:
        InputError: others may see or change the file or its directory, or it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            refuse_loose(os.stat(os.path.dirname(path)), os.path.dirname(path), "700")
            refuse_loose(os.fstat(file.fileno()), path, "600")
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error) from None


def create(path: str, text: str) -> bool:
    """Put a file into place, whole and on disk, unless there is one: return whether it is this one.

    Raises:
        InputError: the directory is open to others, or cannot be written.
    """
    try:
        with _beside(path, text) as temporary:
            # Unlike renaming, linking fails where there is a file: of several processes, one wins.
            return _link(temporary, path)
    except OSError as error:
        raise _unusable(path, error) from None


def write(path: str, text: str) -> None:
    """Put a file into place, whole and on disk, whether or not there is one.

    Raises:
        InputError: the directory is open to others, or cannot be written.
    """
    try:
        with _beside(path, text) as temporary:
            os.replace(temporary, path)
    except OSError as error:
        raise _unusable(path, error) from None


def replace(path: str, text: str, kept: str) -> None:
    """Put a file into the place of another, which from then on is called ``kept``.

    Raises:
        InputError: there is something called ``kept``, the directory is open to others, or cannot be written.
    """
    try:
        with _beside(path, text) as temporary:
            if not _link(path, kept):
                raise InputError(f"{kept} is there already, and would be lost: move it away, then try again.")
            os.replace(temporary, path)
    except OSError as error:
        raise _unusable(path, error) from None


def append(path: str, line: str) -> None:
    """Add a line to a file; lines that several processes add at once stay whole.

    Raises:
        InputError: the file is open to others, or cannot be written.
    """
    text = read(path)
    begin = "\n" if text and not text.endswith("\n") else ""
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            data = f"{begin}{line}\n".encode()
            if (written := os.write(file, data)) < len(data):  # the disk is full: half a line would be in the way
                os.ftruncate(file, os.fstat(file).st_size - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise _unusable(path, error) from None


def hold(path: str, flags: int = os.O_RDWR) -> int | None:
    """Open a file, or a directory, and hold it until it is closed; None where somebody else does, or has removed it.

    Raises:
        OSError: it cannot be opened, or not be locked.
    """
    import fcntl

    descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it a moment ago may have been done with it, and removed it.
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def adopted(path: str, *older: str) -> str:
    """Return a path, having given it to the first file that lies under an older one, if there is none here yet."""
    if not os.path.lexists(path):
        for other in older:
            with contextlib.suppress(OSError):
                os.link(other, path, follow_symlinks=False)  # of several processes, one wins
                os.unlink(other)
                break
    return path


def make_directory(path: str) -> None:
    """Make a directory, and those above it that are not there, for their owner only, whatever the umask.

    Raises:
        OSError: it cannot be made, or there is something else.
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
def _beside(path: str, text: str) -> Iterator[str]:
    """Write a file next to where it is wanted, and yield its path; what is still there at the end is removed."""
    directory = os.path.dirname(path)
    make_directory(directory)
    refuse_loose(os.stat(directory), directory, "700")
    temporary = f"{path}.{os.urandom(8).hex()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        yield temporary
        flush_names(directory)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _link(path: str, name: str) -> bool:
    try:
        os.link(path, name)
    except FileExistsError:
        return False
    return True


def flush_names(directory: str) -> None:
    """Have the directory itself on disk: a file that is there but has no name is lost."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def refuse_loose(status: os.stat_result, path: str, mode: str) -> None:
    """Refuse a file or a directory that others may read or change; ``mode`` is what it should have.

    Raises:
        InputError: they may, or it is theirs.
    """
    if sys.platform != "win32" and status.st_uid != os.geteuid():
        raise InputError(
            f"{path} belongs to another user (uid {status.st_uid}): run chatcli as that user, or set HOME to your own."
        )
    if status.st_mode & 0o077:
        from chatcli.protocol.text import quoted

        raise InputError(f'Others may read or change {path}: run "chmod {mode} {quoted(path)}".')


def _unusable(path: str, error: OSError) -> InputError:
    variable = "XDG_STATE_HOME" if path.startswith(os.path.join(state_directory(), "")) else "XDG_CONFIG_HOME"
    return InputError(
        f"Cannot use {path} ({error.strerror or error}): make that possible, or name another directory for your files "
        f"in {variable}."
    )
