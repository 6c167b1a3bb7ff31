"""Who may come in, and under which name: a name belongs to the keys of its owner, the first key first."""

from __future__ import annotations

import datetime
import logging
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chatcli import zone
from chatcli.errors import InputError, Refused, StoreError
from chatcli.protocol import codes
from chatcli.protocol.frames import VERSION, Hello
from chatcli.protocol.keys import (
    NONCE_BYTES,
    PUBLIC_KEY_BYTES,
    SIGNATURE_BYTES,
    Claim,
    ed25519_fingerprint,
    key_bytes,
    signed_bytes,
)
from chatcli.protocol.lookalikes import check_new_name
from chatcli.protocol.names import Name, check_name
from chatcli.server import slices
from chatcli.store.records import DropKey, KeyRecord

if TYPE_CHECKING:
    from chatcli.server.hub import Hub
    from chatcli.server.model import Connection, User
    from chatcli.store.records import OnWritten

logger = logging.getLogger(__name__)

NOT_CHANGED: Final = "The server cannot write its log, so nothing was changed: tell its operator."
_MOST_KEYS: Final = 50  # of one name
_AT_ONCE: Final = 100  # connections that are closed in one turn of the loop
#: What someone new is told when their name cannot be written.
CANNOT_WRITE: Final = "The server cannot write its log, so nobody new can come in: tell its operator."


class Claimant(NamedTuple):
    """A client that has said who it is, and has yet to prove it."""

    hello: Hello
    name: Name
    key: bytes
    nonce: bytes


class Admitted(NamedTuple):
    """Who came in, and whether to wait until that is on disk."""

    user: User
    waits: bool


def hear(hub: Hub, session: Connection, hello: Hello) -> Claimant | None:
    """Take a ``hello``; return what the client has to prove, or None if it may ask without a proof.

    Raises:
        Refused: the version, the name or the key is not to be had; the sentence says why.
    """
    if hello.version != VERSION:
        text = (
            f"This server speaks version {VERSION} of the protocol, not {hello.version}: use a chatcli that does too."
        )
        raise Refused(codes.UNSUPPORTED_VERSION, text)
    if hello.purpose == "query" and not hello.user:
        if hub.limits.access == "open":
            return None
        raise Refused(codes.KEY_REQUIRED, "This server answers only those it knows: say who you are with --user.")
    hub.allowances.check_proofs(session.host)
    name, key = _name(hello), _key(hello)
    _check(hub, session, Claimant(hello, name, key, b""), proven=False)
    return Claimant(hello, name, key, secrets.token_bytes(NONCE_BYTES))


def _name(hello: Hello) -> Name:
    try:
        return check_name(hello.user)
    except InputError as error:
        raise Refused(codes.BAD_NAME, str(error)) from None


def _check_new(name: Name) -> None:
    try:
        check_new_name(name)
    except InputError as error:
        raise Refused(codes.BAD_NAME, str(error)) from None


def _key(hello: Hello) -> bytes:
    try:
        return key_bytes(hello.key, PUBLIC_KEY_BYTES)
    except ValueError:
        text = "A name belongs to a key: say hello with an Ed25519 public key, 32 bytes in base64."
        raise Refused(codes.KEY_REQUIRED, text) from None


def _check(hub: Hub, session: Connection, claimant: Claimant, *, proven: bool) -> User | None:
    """Return the user whom the claimant would be, or None where the name is free.

    Raises:
        Refused: the name belongs to another key, is banned, or is not free for newcomers.
    """
    hello, name, key, _ = claimant
    if proven:  # why they are banned is nobody else's business
        hub.rulings.check_ban(name, key)
    user = hub.directory.claimed(name.key)
    if user is None:
        if hello.purpose == "query" or hello.link:
            raise Refused(codes.UNKNOWN_USER, f"Nobody called {name.text} was ever here: check the spelling.")
        _check_new(name)
        other = hub.directory.resembled(name)
        if other is not None:
            raise Refused(codes.BAD_NAME, f"The name {name.text} looks like {other.name}, who is someone else.")
        if hub.limits.access == "invite" and not hub.rulings.invites(hello.invite):
            if hello.invite:
                hub.allowances.take_proof(session.host)  # codes cannot be guessed without end either
            hub.rulings.check_invitation(hello.invite)
    elif hello.purpose == "query" and not user.owned:
        raise Refused(codes.NAME_TAKEN, f"{user.name} belongs to no key yet: join once to make it yours.")
    elif user.owned and not user.has(key) and key not in user.adding and not hello.link:
        text = (
            f"{user.name} belongs to another key: choose another name, or, if it is yours, "
            f'run "chatcli key link" where you are {user.name} already and join here with --link and its code.'
        )
        raise Refused(codes.NAME_TAKEN, text)
    return user


def admit(hub: Hub, session: Connection, claimant: Claimant, signature: str, settled: OnWritten) -> Admitted:
    """Let a client in that proves its key; a new name is its own from now on.

    Everything is checked again, because others may have come since ``hello``; nothing is awaited between a check and
    what it guards.

    Args:
        hub: the middle of the server.
        session: the connection.
        claimant: what it has claimed.
        signature: what it says to prove it.
        settled: told later, once the name and the key are on disk, where they are not already.

    Returns:
        The user, and whether to wait until it is on disk whose they are.

    Raises:
        Refused: the proof does not hold, or the name has been taken meanwhile, or its ``join`` is open elsewhere.
    """
    hello, name, key, nonce = claimant
    hub.allowances.check_proofs(session.host)
    claim = Claim(hello.version, hub.server_key, nonce, hello.user, hello.purpose, session.channel)
    if not _proves(key, signature, claim):
        hub.allowances.take_proof(session.host)
        text = "The proof of the key does not hold on this connection: is something between you and the server?"
        raise Refused(codes.BAD_PROOF, text)
    user = _check(hub, session, claimant, proven=True)
    if user is None:
        user = _create(hub, session, claimant)
    else:
        _let_in(hub, session, user, claimant)
    waits = not user.has(key)
    if waits:
        user.adding[key].append(settled)
    session.key = key
    logger.info("%s has proved a key for %s", session.peer, name.text)
    return Admitted(user, waits)


def _let_in(hub: Hub, session: Connection, user: User, claimant: Claimant) -> None:
    """Let someone in under a name that was there before; a key that it does not belong to needs a code from one.

    Raises:
        Refused: the code is not right, the name has keys enough, or its ``join`` is open elsewhere.
    """
    hello, _, key, _ = claimant
    is_new = not user.has(key) and key not in user.adding
    if is_new and user.owned:
        _check_link(hub, session, user, hello.link)
    if hello.purpose == "join":
        _find_seat(user, hello)  # before the code is spent for nothing; the seat is taken with the welcome
    if is_new:
        if len(user.keys) + len(user.adding) >= _MOST_KEYS:
            raise Refused(codes.TOO_MANY, f"{user.name} has {_MOST_KEYS} keys: revoke one that is not needed any more.")
        hub.links.drop(user)
        _add_key(hub, user, key)


def _proves(key: bytes, signature: str, claim: Claim) -> bool:
    try:
        raw = key_bytes(signature, SIGNATURE_BYTES)
        Ed25519PublicKey.from_public_bytes(key).verify(raw, signed_bytes(claim))
    except (ValueError, InvalidSignature):
        return False
    return True


def _create(hub: Hub, session: Connection, claimant: Claimant) -> User:
    hub.allowances.take_name(session.host)
    if hub.limits.access == "invite":
        hub.rulings.use_invitation(claimant.hello.invite)
    name = claimant.name
    user, record = hub.directory.create(name, hub.clock(), hub.log.head)
    hub.log.append_change(record, lambda error: hub.directory.settle(user, error))
    _add_key(hub, user, claimant.key)
    return user


def _check_link(hub: Hub, session: Connection, user: User, code: str) -> None:
    try:
        hub.links.check(user, code)
    except Refused:
        hub.allowances.take_proof(session.host)
        raise


def _add_key(hub: Hub, user: User, key: bytes) -> None:
    record = KeyRecord(user.id, key, hub.clock())
    waiting = user.start_adding(key)

    def written(error: StoreError | None) -> None:
        user.end_adding(key)
        if error is None:
            user.keys[key] = record.since
        for settled in waiting:
            settled(error)

    hub.log.append_change(record, written)
    hub.batcher.schedule()


def _find_seat(user: User, hello: Hello) -> list[Connection]:
    """Return the open joins of the user whose place a new one takes.

    Raises:
        Refused: there is one that it does not take, and nobody said what to do about it.
    """
    others = list(user.joined)
    if hello.present == "takeover":
        return others
    # A client that comes back takes its own place, and any that has fallen silent: the dead hold no name.
    own = [other for other in others if other.silent or (hello.client and other.client == hello.client)]
    if hello.present == "refuse" and len(own) < len(others):
        first = next(other for other in others if other not in own)
        zone.current()
        since = datetime.datetime.fromtimestamp(user.since / 1000, datetime.UTC).astimezone()
        text = (
            f"{user.name} is already in the chat from {first.host} since {since:%H:%M}: "
            "join with --takeover to end that, or with --attach to be here twice."
        )
        raise Refused(codes.ALREADY_HERE, text)
    return own


def sit_down(hub: Hub, session: Connection, user: User, hello: Hello) -> None:
    """Make this an open join of the user: in the place of another, beside it, or the only one.

    Raises:
        Refused: there is another, and nobody said what to do about it.
    """
    replaced = _find_seat(user, hello)
    if not user.joined:
        user.since = hub.clock()
    user.joined.append(session)
    session.client = hello.client
    for other in replaced:
        other.close(codes.TAKEN_OVER, f"{user.name} has joined from {session.host} and taken this place.")


def _put_out(user: User, key: bytes) -> Iterator[None]:
    """Close what is open under a key that is no longer good for the name."""
    for sessions in slices.portions(tuple(user.sessions), _AT_ONCE):
        for session in sessions:
            if session.key == key:
                session.close(codes.KICKED, "The key of this device was revoked.")
        yield


def revoke(hub: Hub, user: User, fingerprint: str, settled: OnWritten) -> None:
    """Take a key away from a name, and close what is open under it.

    Raises:
        Refused: it is no key of the user's, or their last one.
    """
    usable = user.usable_keys()
    key = next((key for key in usable if ed25519_fingerprint(key) == fingerprint), None)
    if key is None:
        raise Refused(codes.NOT_ALLOWED, f'That is no key of {user.name}; "chatcli key list" shows those that are.')
    if len(usable) == 1:
        raise Refused(codes.NOT_ALLOWED, f"That is the only key of {user.name}: link another one first.")
    user.dropping |= {key}

    def written(error: StoreError | None) -> None:
        user.dropping -= {key}
        if error is None:
            del user.keys[key]
            hub.links.drop(user)  # whoever has the key may have asked for a code
        settled(error)
        if error is None:
            slices.run(hub.later, _put_out(user, key))

    hub.log.append_change(DropKey(user.id, key), written)
    hub.batcher.schedule()
