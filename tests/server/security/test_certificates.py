"""Certificates and keys of the server, its own and the operator's."""

from __future__ import annotations

import datetime
import hashlib
import platform
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from chatcli.errors import ServeError
from chatcli.server.security.certificates import Certificates
from tests.certificates import certificate, fingerprint_of, make, private_key


def test_first_start(tmp_path: Path) -> None:
    """The key is ECDSA on P-256 in a private file, and no temporary file is left."""
    Certificates(tmp_path)
    key = tmp_path / "server.key"
    assert key.read_text().startswith("-----BEGIN PRIVATE KEY-----")  # PKCS#8
    assert isinstance(private_key(key).curve, ec.SECP256R1)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["server.crt", "server.key"]


def test_own_certificate_names_and_validity(tmp_path: Path) -> None:
    """Its names are the machine's own."""
    read = Certificates(tmp_path)
    made = certificate(tmp_path / "server.crt")
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"localhost", platform.node()}
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert set(read.identity.chain[0].names) == {"localhost", platform.node()}
    left = made.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(days=3649) < left <= datetime.timedelta(days=3650)


def test_identity_has_fingerprint_and_hash(tmp_path: Path) -> None:
    """Both can be computed from the certificate."""
    identity = Certificates(tmp_path).identity
    der = certificate(tmp_path / "server.crt").public_bytes(serialization.Encoding.DER)
    assert identity.channel == hashlib.sha256(der).digest()
    assert identity.fingerprint == fingerprint_of(tmp_path / "server.crt")
    assert identity.context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_restart_keeps_the_certificate(tmp_path: Path) -> None:
    """Existing files are used again."""
    first = Certificates(tmp_path).identity
    again = Certificates(tmp_path).identity
    assert (again.fingerprint, again.channel) == (first.fingerprint, first.channel)


@pytest.mark.parametrize(("days", "renewed"), [(31, False), (29, True), (-0.5, True)])
def test_own_certificate_is_renewed(tmp_path: Path, days: float, renewed: bool) -> None:
    """With less than thirty days left it is replaced, with the same key."""
    first = Certificates(tmp_path).identity
    make(tmp_path, "server", days=days, key=private_key(tmp_path / "server.key"))
    old = (tmp_path / "server.crt").read_bytes()
    again = Certificates(tmp_path).identity
    assert again.fingerprint == first.fingerprint
    assert ((tmp_path / "server.crt").read_bytes() != old) is renewed


@pytest.mark.parametrize("content", [b"", b"no certificate", None])
def test_missing_or_broken_certificate(tmp_path: Path, content: bytes | None) -> None:
    """It is replaced: all that matters of it is in the key."""
    first = Certificates(tmp_path).identity
    (tmp_path / "server.crt").unlink()
    if content is not None:
        (tmp_path / "server.crt").write_bytes(content)
    assert Certificates(tmp_path).identity.fingerprint == first.fingerprint


def test_certificate_of_another_key(tmp_path: Path) -> None:
    """It is replaced, because the key decides."""
    first = Certificates(tmp_path).identity
    other, _ = make(tmp_path, "other")
    other.replace(tmp_path / "server.crt")
    assert Certificates(tmp_path).identity.fingerprint == first.fingerprint


def test_lost_key_is_not_replaced(tmp_path: Path) -> None:
    """Clients would take a new key for an attack, so the operator is asked first."""
    Certificates(tmp_path)
    (tmp_path / "server.key").unlink()
    with pytest.raises(ServeError, match=r"server\.key is missing .* backup, or delete .*server\.crt"):
        Certificates(tmp_path)
    assert not (tmp_path / "server.key").exists()


def test_interrupted_first_start(tmp_path: Path) -> None:
    """Neither a temporary file nor a key without its certificate prevents the next start."""
    (tmp_path / ".server.key.x.unfinished").write_bytes(b"-----BEGIN")
    first = Certificates(tmp_path).identity
    (tmp_path / "server.crt").rename(tmp_path / ".server.crt.x.unfinished")
    assert Certificates(tmp_path).identity.fingerprint == first.fingerprint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["server.crt", "server.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_readable_key_is_refused(tmp_path: Path, mode: int) -> None:
    """The sentence has the command to run."""
    Certificates(tmp_path)
    key = tmp_path / "server.key"
    key.chmod(mode)
    with pytest.raises(ServeError, match=rf"{key} \(mode {mode:04o}\): run chmod 600 {key}"):
        Certificates(tmp_path)
    key.chmod(0o600)
    Certificates(tmp_path)


def rsa_key() -> bytes:
    """Return a key of another kind."""
    return rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def locked_key(folder: Path) -> bytes:
    """Return a key that asks for a passphrase."""
    return make(folder, "locked", locked=True)[1].read_bytes()


@pytest.mark.parametrize("kind", ["rubbish", "rsa", "locked"])
def test_wrong_key_file(tmp_path: Path, kind: str) -> None:
    """For anything in the place of the key, the sentence has the remedy."""
    key = tmp_path / "server.key"
    key.touch(mode=0o600)
    key.write_bytes({"rubbish": b"rubbish", "rsa": rsa_key(), "locked": locked_key(tmp_path)}[kind])
    with pytest.raises(ServeError, match=r"server\.key holds no key that this server could have made: .* --tls-key"):
        Certificates(tmp_path)


def test_unwritable_directory(tmp_path: Path) -> None:
    """If the key cannot be written, the server does not start."""
    with pytest.raises(ServeError, match=r"Cannot write .*/none/server\.key: No such file or directory: .* --data"):
        Certificates(tmp_path / "none")


def test_operators_certificate(tmp_path: Path) -> None:
    """With the operator's files, none are generated."""
    files = make(tmp_path)
    (tmp_path / "data").mkdir()
    identity = Certificates(tmp_path / "data", files).identity
    assert identity.fingerprint == fingerprint_of(files[0])
    assert not list((tmp_path / "data").iterdir())


def test_first_certificate_of_a_chain(tmp_path: Path) -> None:
    """The others lead to its authority, and change neither fingerprint nor channel."""
    files = make(tmp_path)
    alone = Certificates(tmp_path, files).identity
    other, _ = make(tmp_path, "authority")
    files[0].write_bytes(files[0].read_bytes() + other.read_bytes())
    chained = Certificates(tmp_path, files).identity
    assert (chained.fingerprint, chained.channel) == (alone.fingerprint, alone.channel)


def test_group_readable_operators_key(tmp_path: Path) -> None:
    """Servers often share a key through a group; a key that everyone may read is refused."""
    files = make(tmp_path)
    files[1].chmod(0o640)
    Certificates(tmp_path, files)
    files[1].chmod(0o644)
    with pytest.raises(ServeError, match=rf"\(mode 0644\): run chmod o= {files[1]}"):
        Certificates(tmp_path, files)


def test_unusable_files(tmp_path: Path) -> None:
    """Missing, wrong, encrypted and mismatched files each get one sentence with the remedy."""
    good, other = make(tmp_path), make(tmp_path, "other")
    locked = make(tmp_path, "locked", locked=True)
    rubbish = tmp_path / "rubbish"
    rubbish.touch(mode=0o600)
    rubbish.write_text("rubbish")
    none = tmp_path / "none"
    for files, sentence in [
        ((none, good[1]), f"Cannot read {none}: No such file or directory: name a file"),
        ((good[0], none), f"Cannot read {none}: No such file or directory: name a file"),
        ((tmp_path, good[1]), f"Cannot read {tmp_path}: Is a directory: name a file"),
        ((rubbish, good[1]), f"{rubbish} holds no certificate in PEM: name one that does with --tls-cert"),
        ((good[1], good[1]), f"{good[1]} holds no certificate in PEM"),
        ((good[0], rubbish), f"{good[0]} and {rubbish} cannot be used"),
        ((good[0], good[0]), f"{good[0]} and {good[0]} cannot be used"),
        ((good[0], other[1]), f"{other[1]} is not the key of {good[0]}: name the two"),
        (locked, f"{locked[1]} is locked with a passphrase"),
    ]:
        good[0].chmod(0o600)
        with pytest.raises(ServeError) as caught:
            Certificates(tmp_path, files)
        assert str(caught.value).startswith(sentence), caught.value
        assert str(caught.value).endswith(".")


def test_unreadable_key(tmp_path: Path) -> None:
    """The sentence includes the system's own reason."""
    certificate, key = make(tmp_path)
    key.unlink()
    key.mkdir(mode=0o700)
    with pytest.raises(ServeError, match=rf"Cannot read {key}: Is a directory"):
        Certificates(tmp_path, (certificate, key))


def test_reload(tmp_path: Path) -> None:
    """After a reload it is the new certificate; contexts that are in use are left alone."""
    files = make(tmp_path)
    certificates = Certificates(tmp_path, files)
    before = certificates.identity
    make(tmp_path, key=private_key(files[1]))
    certificates.identity = certificates.read_again()
    assert certificates.identity.fingerprint == before.fingerprint
    assert certificates.identity.channel != before.channel
    assert certificates.identity.context is not before.context


def test_reload_of_broken_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The old certificate stays, and the log names the fault of the new one."""
    files = make(tmp_path)
    certificates = Certificates(tmp_path, files)
    before = certificates.identity
    files[0].write_text("cut off")
    assert certificates.read_again() is before
    assert f"{files[0]} holds no certificate in PEM" in caplog.text


NOW = datetime.datetime.now(datetime.UTC)  # shortly before the certificates below


@pytest.mark.parametrize(
    ("days", "later", "sentence"),
    [
        (365, 0, ""),
        (14.5, 0, ""),
        (13.5, 0, "expires in 13 days, on "),
        (1.5, 0, "expires tomorrow, on "),
        (0.5, 0, "expires today, on "),
        (1, 2, "expired on "),
        (30, -3, "is not valid before "),
    ],
)
def test_warnings_about_validity(tmp_path: Path, days: float, later: float, sentence: str) -> None:
    """The warning has the file, the time and the remedy; so has the one before the validity begins."""
    files = make(tmp_path, days=days)
    faults = Certificates(tmp_path, files).faults(NOW + datetime.timedelta(days=later, minutes=1))
    assert [sentence in fault and str(files[0]) in fault for fault in faults] == [True] * bool(sentence)


def test_order_and_dates_of_a_chain(tmp_path: Path) -> None:
    """A certificate of an authority that is out of order, or expires first, is reported."""
    own, other = make(tmp_path, "box", days=300), make(tmp_path, "authority", days=5)
    own[0].write_bytes(own[0].read_bytes() + other[0].read_bytes())
    ending, order = Certificates(tmp_path, own).faults(NOW)
    assert ending.startswith(f"A certificate of an authority in {own[0]} expires in 5 days")
    assert order.startswith(f"The certificates in {own[0]} are not in order")
    first, _, second = own[0].read_text().partition("-----BEGIN")[2].partition("-----BEGIN")
    own[0].write_text(f"-----BEGIN{second}-----BEGIN{first}")
    with pytest.raises(ServeError, match="the server's own must stand first"):
        Certificates(tmp_path, own)
