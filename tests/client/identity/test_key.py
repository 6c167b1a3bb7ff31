"""The user's key: made once, and private."""

from __future__ import annotations

import concurrent.futures
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chatcli.client.identity.key import import_identity, load_identity, parse_identity
from chatcli.errors import InputError
from chatcli.protocol.keys import ed25519_fingerprint
from tests.support import environment

#: RFC 8032, section 7.1, test 2: the seed, the public key, and the signature of the byte 0x72.
SEED = "TM0Imyj/ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U+4pvs="
PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
TEXT = f"# a key\n{SEED}\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory that does not exist yet."""
    return tmp_path / "config" / "chatcli"


def test_first_use_makes_a_key(home: Path) -> None:
    """The file is 0600 and its directory 0700, and the next use finds the same key."""
    first = load_identity(str(home))
    assert stat.S_IMODE((home / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert load_identity(str(home)).public == first.public
    assert first.fingerprint == ed25519_fingerprint(first.public)
    assert [file.name for file in home.iterdir()] == ["key"]


def test_file_format(home: Path) -> None:
    """A comment says that the file is secret; one more line has the seed."""
    load_identity(str(home))
    heading, seed = (home / "key").read_text().splitlines()
    assert heading.startswith("# The secret key of a chatcli user")
    assert len(seed) == 44


def test_signatures_are_ed25519() -> None:
    """Signatures match other implementations', and the public key alone verifies them."""
    identity = parse_identity(TEXT)
    assert identity.public.hex() == PUBLIC
    assert identity.sign(b"\x72").hex() == SIGNATURE
    signature = identity.sign(b"hello")
    Ed25519PublicKey.from_public_bytes(identity.public).verify(signature, b"hello")
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(identity.public).verify(signature, b"hullo")


def test_repr_hides_the_secret() -> None:
    """A log or a traceback has the fingerprint only."""
    identity = parse_identity(TEXT)
    assert repr(identity) == f"<Identity {identity.fingerprint}>"


def test_threads_get_one_key(home: Path) -> None:
    """Twenty threads get the same key and leave no other file."""
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        keys = set(pool.map(lambda _: load_identity(str(home)).public, range(20)))
    assert len(keys) == 1
    assert [file.name for file in home.iterdir()] == ["key"]


def test_processes_get_one_key(home: Path) -> None:
    """Twenty processes that start at once get the same key."""
    script = (
        "import sys\n"
        "from chatcli.client.identity.key import load_identity\n"
        "sys.stdin.readline()\n"
        "print(load_identity(sys.argv[1]).fingerprint)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        for _ in range(20)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    keys = {process.communicate()[0].strip() for process in processes}
    assert keys == {load_identity(str(home)).fingerprint}


@pytest.mark.parametrize(
    "text", ["", "\n", "# only a comment\n", f"{SEED[:-8]}\n", f"{SEED}\n{SEED}\n", "a key?\n", f"{SEED}=\n", "ü\x00\n"]
)
def test_damaged_key(home: Path, text: str) -> None:
    """It is refused and never overwritten; the sentence says how to restore it."""
    load_identity(str(home))
    (home / "key").write_text(text)
    with pytest.raises(InputError, match=r"damaged.*key import --force"):
        load_identity(str(home))
    assert (home / "key").read_text() == text


def test_readable_key_is_refused(home: Path) -> None:
    """The sentence has the command that repairs the mode."""
    load_identity(str(home))
    (home / "key").chmod(0o640)
    with pytest.raises(InputError, match=f'"chmod 600 {home}/key"'):
        load_identity(str(home))
    (home / "key").chmod(0o600)
    home.chmod(0o755)
    with pytest.raises(InputError, match=f'"chmod 700 {home}"'):
        load_identity(str(home))


def test_export_and_import(home: Path, tmp_path: Path) -> None:
    """The text carries the key to another machine; a second import changes nothing."""
    identity = load_identity(str(home))
    other = tmp_path / "other"
    for _ in range(2):
        assert import_identity(str(other), parse_identity(identity.export_text()), force=False) is None
    assert load_identity(str(other)).public == identity.public
    assert (other / "key").read_text() == (home / "key").read_text()
    assert stat.S_IMODE((other / "key").stat().st_mode) == 0o600


def test_import_over_another_key(home: Path) -> None:
    """Without force the old key stays; with it, it is kept under another name and never overwritten."""
    old = load_identity(str(home))
    new = parse_identity(TEXT)
    with pytest.raises(InputError, match="--force"):
        import_identity(str(home), new, force=False)
    assert load_identity(str(home)).public == old.public
    assert import_identity(str(home), new, force=True) == f"{home}/key.old"
    assert load_identity(str(home)).public == new.public
    assert (home / "key.old").read_text() == old.export_text()
    assert stat.S_IMODE((home / "key.old").stat().st_mode) == 0o600
    with pytest.raises(InputError, match=r"key\.old is there already"):
        import_identity(str(home), old, force=True)
    assert sorted(file.name for file in home.iterdir()) == ["key", "key.old"]


def test_import_over_a_damaged_key(home: Path) -> None:
    """Import with force repairs it, and keeps the damaged file."""
    identity = load_identity(str(home))
    (home / "key").write_text("")
    import_identity(str(home), identity, force=True)
    assert load_identity(str(home)).public == identity.public


def test_key_is_loaded_lazily() -> None:
    """A key that is only passed on is not loaded."""
    identity = parse_identity(TEXT)
    assert "_key" not in vars(identity)
    assert identity.public
    assert "_key" in vars(identity)
