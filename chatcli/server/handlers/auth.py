"""Authentication: a name belongs to the keys of its owner, beginning with the first key that logs in under it."""

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
    origin_channel,
    signed_bytes,
)
from chatcli.protocol.values.lookalikes import check_new_name, looks_like_operator
from chatcli.protocol.values.names import Name, check_name
from chatcli.protocol.values.text import command_line, device_label, printable_line
from chatcli.protocol.values.tokens import resembles_token
from chatcli.server import slices
from chatcli.server.handlers.free_names import next_free_name
from chatcli.server.refusals import unknown_user
from chatcli.server.state.name_changes import OPERATOR
from chatcli.store.records import DropKey, KeyRecord, ignore

if TYPE_CHECKING:
    from chatcli.server.hub import Hub
    from chatcli.server.model import Connection, Token, User
    from chatcli.store.records import OnWritten

logger = logging.getLogger(__name__)

_MOST_KEYS: Final = 50  # of one name
_USED_UP: Final = "This token has been used."
REVOKED: Final = "The key of this device was revoked."
_AT_ONCE: Final = 100  # connections that are closed in one tick of the loop


class Claimant(NamedTuple):
    """A client that has claimed a name and a key, and has yet to prove the key."""

    hello: Hello
    name: Name
    key: bytes
    nonce: bytes


class Login(NamedTuple):
    """A successful login.

    Attributes:
        user: the user.
        pending: whether the name or the key has yet to be written.
    """

    user: User
    pending: bool


def challenge(hub: Hub, session: Connection, hello: Hello) -> Claimant | None:
    """Check a ``hello``; return the claim that the client has to prove, or None for a nameless query.

    Raises:
        Refused: the version is not supported, or the client may not have the name or use the key.
    """
    check_version(hello)
    check_origin(session, hello)
    if hello.purpose == "query" and not hello.user:
        if hub.limits.access == "open":
            return None
        raise Refused(codes.KEY_REQUIRED, "This server answers only those it knows: say who you are with --user.")
    if _channel(session, hello) is None:
        text = "Here TLS does not reach from end to end, so no key can be proved: use a tunnel, TLS, or a token."
        raise Refused(codes.TLS_REQUIRED, text)
    hub.rate_limits.check_failures(session.caller)
    name, key = _name(hello), _key(hello)
    _check(hub, session, Claimant(hello, name, key, b""), proven=False)
    return Claimant(hello, name, key, secrets.token_bytes(NONCE_BYTES))


def check_version(hello: Hello) -> None:
    """Raise unless the server speaks the client's version of the protocol.

    Raises:
        Refused: it does not.
    """
    if hello.version != VERSION:
        text = (
            f"This server speaks version {VERSION} of the protocol, not {hello.version}: use a chatcli that does too."
        )
        raise Refused(codes.UNSUPPORTED_VERSION, text)


def check_origin(session: Connection, hello: Hello) -> None:
    """Raise if a ``hello`` is said to come from a page which is none of this server's.

    Raises:
        Refused: it is.
    """
    if not hello.origin:
        return
    if session.owns_page is None:
        text = "Only a page in a browser has an origin, in text messages of a WebSocket: say hello without one."
        raise Refused(codes.BAD_ORIGIN, text)
    if not session.owns_page(hello.origin):
        text = (
            f"This server has no pages at {printable_line(hello.origin)}, as far as it knows: if that is one of its "
            'names, have its operator add it with "chatcli serve --web-name NAME".'
        )
        raise Refused(codes.BAD_ORIGIN, text)


def _channel(session: Connection, hello: Hello) -> bytes | None:
    """Return the channel that the proof of a key is bound to; None where no key can be proved."""
    return origin_channel(hello.origin) if hello.origin else session.channel


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
    """Return the user of that name, or None if it is free.

    Args:
        hub: the hub.
        session: the connection.
        claimant: the claim.
        proven: whether the key is proved; only then a ban is revealed.

    Raises:
        Refused: the name belongs to another key, is banned, or may not be taken.
    """
    hello, name, key, _ = claimant
    if proven:
        hub.moderation.check_ban(name, key)
    user = hub.users.by_key(name.key)
    if user is None:
        _check_free(hub, session, claimant)
    elif not user.owned and hub.moderation.get("service", user.key) is not None:
        _check_service(hub, session, user, claimant)
    elif hello.purpose == "query" and not user.owned:
        raise Refused(codes.NAME_TAKEN, f"{user.name} belongs to no key yet: join once to make it yours.")
    elif not user.owned:  # as it was imported
        _check_operator(hub, name, hello.link)
    elif not user.has(key) and not user.is_adding(key) and not hello.link:
        free = _free_names(hub, session, claimant)
        text = (
            f"{user.name} belongs to another key: choose another name{_such_as(free)}, or, if it is yours, "
            f'run "chatcli key link" where you are {user.name} already and join here with --link and its code. '
            f"If that key is lost, an operator of the server can make a code ({_link_command(user.name)})."
        )
        raise Refused(codes.NAME_TAKEN, text, names=free)
    return user


def _free_names(hub: Hub, session: Connection, claimant: Claimant) -> list[str]:
    """Return the name to suggest in place of one that is taken, to those only who could have it."""
    hello, name, _, _ = claimant
    if hello.purpose == "query" or not _is_invited(hub, session, hello):
        return []
    free = next_free_name(hub, name)
    return [free] if free else []


def _such_as(names: list[str]) -> str:
    return f", such as {names[0]}" if names else ""


def _is_invited(hub: Hub, session: Connection, hello: Hello) -> bool:
    """Return whether a client may have a name that is free, as far as that needs an invitation."""
    if hub.limits.access == "open" or hub.moderation.is_invitation(hello.invite):
        return True
    if hello.invite:
        hub.rate_limits.record_failure(session.caller)  # codes must not be guessed without end, either
    return False


def _check_free(hub: Hub, session: Connection, claimant: Claimant) -> None:
    """Raise unless a client may have a name that is free.

    Raises:
        Refused: the name may not be taken.
    """
    hello, name, _, _ = claimant
    if hello.purpose == "query" or (hello.link and hub.recoveries.find(name.key, hello.link) is None):
        raise unknown_user(name.text, advice="check the spelling.")
    _check_new(name)
    _check_operator(hub, name, hello.link)
    other = hub.users.lookalike(name)
    if other is not None:
        raise Refused(codes.BAD_NAME, f"The name {name.text} looks like {other.name}, the name of someone else.")
    if not _is_invited(hub, session, hello):
        hub.moderation.check_invitation(hello.invite)


def _check_operator(hub: Hub, name: Name, code: str) -> None:
    """Raise if a name without an owner is for operators, unless an operator has given a code for it.

    Raises:
        Refused: it is.
    """
    if looks_like_operator(name) and (not code or hub.recoveries.find(name.key, code) is None):
        text = (
            f"The name {name.text} is for the operators of this server: choose another one. "
            f"The one who runs it can let you have it ({_link_command(name.text)})."
        )
        raise Refused(codes.BAD_NAME, text)


def _check_service(hub: Hub, session: Connection, user: User, claimant: Claimant) -> None:
    """Raise unless a client has an operator's code for a name that was made for programs.

    Raises:
        Refused: it has none.
    """
    hello = claimant.hello
    if hub.recoveries.find(user.key, hello.link) is not None:
        return
    if hello.link:
        hub.rate_limits.record_failure(session.caller)
    free = _free_names(hub, session, claimant)
    text = (
        f"{user.name} is a name for programs, which belongs to no key: choose another name{_such_as(free)}. "
        f"An operator of the server can let you have it: {_link_command(user.name)}"
    )
    raise Refused(codes.NAME_TAKEN, text, names=free)


def _link_command(name: str) -> str:
    """Return the command with which an operator makes a code for a name."""
    return command_line("chatcli", "admin", "link", name).strip()


def authenticate(hub: Hub, session: Connection, claimant: Claimant, signature: str, on_written: OnWritten) -> Login:
    """Log a client in that proves its key; a free name belongs to that key from now on.

    Everything is checked again, because others may have logged in since ``hello``. Nothing is awaited between a check
    and the change that depends on it.

    Args:
        hub: the hub.
        session: the connection.
        claimant: the claim.
        signature: the client's proof of the key, in base64.
        on_written: called once a new name and key are on disk, or with the reason why they are not.

    Raises:
        Refused: the proof is wrong, the name was taken meanwhile, or its ``join`` is open elsewhere.
    """
    hello, name, key, nonce = claimant
    hub.rate_limits.check_failures(session.caller)
    claim = Claim(
        version=hello.version,
        server_key=hub.server_key,
        nonce=nonce,
        user=hello.user,
        purpose=hello.purpose,
        channel=_channel(session, hello) or b"",
    )
    if not _proves(key, signature, claim):
        hub.rate_limits.record_failure(session.caller)
        text = "The proof of the key is not valid on this connection: is something between you and the server?"
        raise Refused(codes.BAD_PROOF, text)
    user = _check(hub, session, claimant, proven=True)
    if user is None:
        user = _create(hub, session, claimant)
    else:
        _log_in(hub, session, user, claimant)
    pending = not user.has(key)
    if pending:
        user.adding[key].append(on_written)
    session.key = key
    logger.info("%s has proved a key for %s", session.peer, name.text)
    return Login(user, pending)


def _log_in(hub: Hub, session: Connection, user: User, claimant: Claimant) -> None:
    """Log in under a name that exists; a new key needs a link code or a recovery token.

    Raises:
        Refused: the code is wrong, the name has too many keys, or its ``join`` is open elsewhere.
    """
    hello, _, key, _ = claimant
    is_new = not user.has(key) and not user.is_adding(key)
    recovery = hub.recoveries.find(user.key, hello.link) if is_new else None
    vouched = is_new and user.owned and recovery is None
    token = _check_link(hub, session, user, hello.link) if vouched else None
    replaces = recovery is not None and not recovery.keep
    if replaces:
        hello.present = "takeover"  # whoever holds an old key is sent away
    if hello.purpose == "join":
        displaced_joins(user, hello)  # raises before the code is used up for nothing
    if not is_new:
        return
    if len(user.keys) + len(user.adding) >= _MOST_KEYS and not replaces:
        raise Refused(codes.TOO_MANY, f"{user.name} has {_MOST_KEYS} keys: revoke one that is not needed any more.")
    if vouched:
        hub.rate_limits.record_link(user)
    hub.link_codes.discard(user)
    # Whoever holds an old key may be adding another one, which is written first.
    before = [*user.usable_keys(), *filter(user.is_adding, user.adding)] if replaces else []
    _add_key(hub, user, claimant)
    if token is not None:  # it goes with the same batch as the key comes: it adds one, or none
        hub.tokens.revoke(token, _USED_UP)
        logger.info("%s has added a key to %s with the token %s", session.peer, user.name, token.id)
    if vouched:
        hub.names.record(user, "key", cause=session)
    if recovery is not None:
        hub.names.record(user, "recovered", OPERATOR)
        hub.recoveries.use(user.key)
        logger.warning("%s has given %s a new key with a code of an operator.", session.peer, user.name)
    if replaces:
        _drop_credentials(hub, user, before)


def _drop_credentials(hub: Hub, user: User, keys: list[bytes]) -> None:
    """Revoke all tokens of a name and some of its keys: someone else may have made them."""
    hub.tokens.revoke_all(user, f"An operator has given {user.name} a new key: its tokens are revoked.")
    for key in keys:
        _drop_key(hub, user, key, _replaced(user))


def _replaced(user: User) -> str:
    return f"An operator has given {user.name} a new key: the one of this device is revoked."


def _proves(key: bytes, signature: str, claim: Claim) -> bool:
    try:
        raw = key_bytes(signature, SIGNATURE_BYTES)
        Ed25519PublicKey.from_public_bytes(key).verify(raw, signed_bytes(claim))
    except (ValueError, InvalidSignature):
        return False
    return True


def _create(hub: Hub, session: Connection, claimant: Claimant) -> User:
    hub.rate_limits.record_name(session.caller)
    if hub.limits.access == "invite":
        hub.moderation.use_invitation(claimant.hello.invite)
    name = claimant.name
    hub.recoveries.use(name.key)
    user, record = hub.users.create(name, hub.clock(), hub.log.head)
    hub.log.append_change(record, lambda error: hub.users.settle(user, error))
    _add_key(hub, user, claimant)
    if hub.names.was_released(name.key):
        hub.names.record(user, "taken", cause=session)
    return user


def _check_link(hub: Hub, session: Connection, user: User, code: str) -> Token | None:
    """Raise unless a new key may be added to a user; return the recovery token for it, if it is not a link code.

    Raises:
        Refused: the code or the token is wrong, or the key that has made the token is banned.
    """
    token = None
    try:
        if resembles_token(code):
            token = hub.tokens.find_recovery(user, code)
        else:
            hub.link_codes.check(user, code)
    except Refused:
        hub.rate_limits.record_failure(session.caller)
        raise
    if token is not None:
        hub.moderation.check_ban(Name(user.name, user.key), token.key)
    return token


def _add_key(hub: Hub, user: User, claimant: Claimant) -> None:
    key = claimant.key
    record = KeyRecord(user.id, key, hub.clock(), device_label(claimant.hello.device))
    waiting = user.start_adding(key)

    def written(error: StoreError | None) -> None:
        user.end_adding(key)
        if error is None:
            user.keys[key] = record
        for on_written in waiting:
            on_written(error)

    hub.log.append_change(record, written)
    hub.batcher.schedule()


def displaced_joins(user: User, hello: Hello) -> list[Connection]:
    """Return the open joins of the user that a new one displaces.

    Raises:
        Refused: there is another one, and the client neither takes it over nor attaches to it.
    """
    others = list(user.joined)
    if hello.present == "takeover":
        return others
    # A client that reconnects displaces its former connection, and any that is silent and so probably dead.
    own = [other for other in others if other.silent or (hello.client and other.client == hello.client)]
    # Nobody loses their place to a join that was attached to it: one that comes back is attached to that in turn.
    returns = hello.since is not None
    holders = [other for other in others if other not in own and not (returns and other.attached)]
    if hello.present == "refuse" and holders:
        first = holders[0]
        zone.current()
        since = datetime.datetime.fromtimestamp(user.since / 1000, datetime.UTC).astimezone()
        text = (
            f"{user.name} is already in the chat from {first.peer.host} since {since:%H:%M}: "
            "join with --takeover to end that, or with --attach to be here twice."
        )
        raise Refused(codes.ALREADY_HERE, text)
    return own


def register_join(hub: Hub, session: Connection, user: User, hello: Hello) -> None:
    """Make a connection an open join of the user, and close those that it displaces.

    Raises:
        Refused: as :func:`displaced_joins`.
    """
    displaced = displaced_joins(user, hello)
    if not user.joined:
        user.since = hub.clock()
    user.joined.append(session)
    session.client, session.attached = hello.client, hello.present == "attach"
    for other in displaced:
        if user.has(other.key):
            other.close(codes.TAKEN_OVER, f"{user.name} has joined from {session.peer.host} and taken this place.")
        else:
            other.close(codes.KICKED, _replaced(user))


def _close_sessions(user: User, key: bytes, text: str) -> Iterator[None]:
    """Close the user's connections that have proved a key, in slices."""
    for sessions in slices.portions(tuple(user.sessions), _AT_ONCE):
        for session in sessions:
            if session.key == key:
                session.close(codes.KICKED, text)
        yield


def check_key(session: Connection, user: User) -> None:
    """Raise if the key of a connection was revoked, and the connection is about to be closed.

    Raises:
        Refused: it may neither let another key in nor revoke one.
    """
    if not user.has(session.key):
        raise Refused(codes.NOT_ALLOWED, REVOKED)


def revoke(hub: Hub, user: User, fingerprint: str, on_written: OnWritten) -> None:
    """Revoke a key of a user, and close its connections.

    Raises:
        Refused: the user has no such key, or no other one.
    """
    usable = user.usable_keys()
    key = next((key for key in usable if ed25519_fingerprint(key) == fingerprint), None)
    if key is None:
        raise Refused(codes.NOT_ALLOWED, f'That is no key of {user.name}; "chatcli key list" shows those that are.')
    if len(usable) == 1:
        raise Refused(codes.NOT_ALLOWED, f"That is the only key of {user.name}: link another one first.")
    hub.tokens.revoke_all(user, "The key that has made this token was revoked.", key=key)
    _drop_key(hub, user, key, REVOKED, on_written)


def _drop_key(hub: Hub, user: User, key: bytes, text: str, on_written: OnWritten = ignore) -> None:
    """Make a key of a user invalid at once, and close its connections once it is gone from the disk, too."""
    user.dropping |= {key}

    def written(error: StoreError | None) -> None:
        user.dropping -= {key}
        if error is None:
            user.keys.pop(key, None)  # one that was being added may have failed
            hub.link_codes.discard(user)  # the device with that key may have asked for one
        on_written(error)
        if error is None:
            slices.run(hub.later, _close_sessions(user, key, text))

    hub.log.append_change(DropKey(user.id, key), written)
    hub.batcher.schedule()
