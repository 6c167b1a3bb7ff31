"""Admission: a name belongs to the keys of its owner, beginning with the first key that logs in under it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chatcli.errors import Refused
from chatcli.protocol import codes, keys
from chatcli.protocol.keys import SIGNATURE_BYTES, ed25519_fingerprint, key_bytes, signed_bytes
from chatcli.protocol.values.lookalikes import look_of
from chatcli.protocol.values.names import Name
from chatcli.protocol.values.text import device_label
from chatcli.protocol.values.tokens import resembles_token
from chatcli.server.facts import REVOKED
from chatcli.server.handlers.auth import channel_of, check_claim
from chatcli.server.refusals import last_key, not_stored
from chatcli.server.state.moderation import digest as code_digest
from chatcli.server.state.name_changes import OPERATOR
from chatcli.store.records import AddKey, Barrier, Claim, DropKey, KeyRecord

if TYPE_CHECKING:
    from chatcli.errors import StoreError
    from chatcli.server.handlers.auth import Claimant
    from chatcli.server.hub import Hub
    from chatcli.server.model import Connection, Token, User
    from chatcli.store.batch import OnOutcome, Outcome
    from chatcli.store.records import Voucher

logger = logging.getLogger(__name__)

_MOST_KEYS: Final = 50  # of one name

#: Called with the user who is logged in, or with the reason why nobody is.
OnLogin = Callable[["User | None", "Refused | StoreError | None"], None]


def authenticate(hub: Hub, session: Connection, claimant: Claimant, signature: str, on_login: OnLogin) -> User | None:
    """Log a client in that proves its key; a free name belongs to that key from now on.

    Everything is checked again, because others may have logged in since ``hello``; of those who ask for one name at the
    same time, the log decides who gets it.

    Args:
        hub: the hub.
        session: the connection.
        claimant: the claim.
        signature: the client's proof of the key, in base64.
        on_login: called if a new name or key had to be written first.

    Returns:
        The user; None if ``on_login`` is called later.

    Raises:
        Refused: the proof is wrong, the name was taken meanwhile, or its ``join`` is open elsewhere.
    """
    hello, _, key, nonce = claimant
    hub.rate_limits.check_failures(session.caller)
    claim = keys.Claim(
        version=hello.version,
        server_key=hub.server_key,
        nonce=nonce,
        user=hello.user,
        purpose=hello.purpose,
        channel=channel_of(session, hello) or b"",
    )
    if not _proves(key, signature, claim):
        hub.rate_limits.record_failure(session.caller)
        text = "The proof of the key is not valid on this connection: is something between you and the server?"
        raise Refused(codes.BAD_PROOF, text)
    return _Admission(hub, session, claimant, on_login).start()


class _Admission:
    """Lets a client in that has proved its key, once the log has its name and key.

    Args:
        hub: the hub.
        session: the connection.
        claimant: the claim.
        on_login: called at the end, unless :meth:`start` is the end already.
    """

    def __init__(self, hub: Hub, session: Connection, claimant: Claimant, on_login: OnLogin) -> None:
        self._hub = hub
        self._session = session
        self._claimant = claimant
        self._on_login = on_login
        self._asked = False

    def start(self) -> User | None:
        """Return the user, if the log has name and key already; otherwise ask it for them.

        Raises:
            Refused: the client is not let in.
        """
        hub, session, claimant = self._hub, self._session, self._claimant
        user = check_claim(hub, session, claimant, proven=True)
        if user is not None and user.is_adding(claimant.key):
            self._append(Barrier(), self._flushed)  # another connection has asked for the same
            return None
        if user is not None and user.has(claimant.key):
            if claimant.hello.purpose == "join":
                hub.seats.check(user, claimant.hello)  # raises if there is no place
            session.key = claimant.key
            logger.info("%s has proved a key for %s", session.peer, user.name)
            return user
        if self._asked:
            if user is not None:
                _check_link(hub, session, user, claimant.hello.link)  # somebody else may have used it
            text = f"Somebody else has asked for {claimant.name.text} at the same time: try again."
            raise Refused(codes.NAME_TAKEN, text)
        if user is None:
            self._claim()
        else:
            self._add_key(user)
        self._asked = True
        return None

    def _claim(self) -> None:
        hub, (hello, name, key, _) = self._hub, self._claimant
        hub.rate_limits.record_name(self._session.caller)
        by_invitation = hub.limits.access == "invite"
        record = Claim(
            id=hub.log.new_user_id(),
            name=name.text,
            key=name.key,
            look=look_of(name.text),
            created=hub.clock(),
            public_key=key,
            device=device_label(hello.device),
            invitation=code_digest(hello.invite) if by_invitation else "",
            recovery=code_digest(hello.link) if hello.link else "",
        )
        self._append(record, self._decided)

    def _add_key(self, user: User) -> None:
        """Ask for a key to be added to a name that exists, which needs a link code, a recovery token or a code.

        Raises:
            Refused: the code is wrong, the name has too many keys, or its ``join`` is open elsewhere.
        """
        hub, session, (hello, _, key, _) = self._hub, self._session, self._claimant
        recovery = hub.recoveries.find(user.key, hello.link)
        vouched = user.owned and recovery is None
        token = _check_link(hub, session, user, hello.link) if vouched else None
        replaces = recovery is not None and not recovery.keep
        if replaces:
            hello.present = "takeover"  # whoever holds an old key is sent away
        if hello.purpose == "join":
            hub.seats.check(user, hello)  # raises before the code is used up for nothing
        if len(user.keys) + len(user.adding) >= _MOST_KEYS and not replaces:
            raise Refused(codes.TOO_MANY, f"{user.name} has {_MOST_KEYS} keys: revoke one that is not needed any more.")
        if vouched:
            hub.rate_limits.record_link(user)
        hub.link_codes.discard(user)
        voucher: Voucher = "none"
        digest: bytes | str = b""
        if recovery is not None:
            voucher, digest = "recovery", recovery.reason
            logger.warning("%s gives %s a new key with a code of an operator.", session.peer, user.name)
        elif token is not None:
            voucher, digest = "token", token.digest
            logger.info("%s adds a key to %s with the token %s", session.peer, user.name, token.id)
        elif vouched:
            voucher = "device"
        # Whoever holds an old key may be adding another one, which is written first.
        dropping = frozenset({*user.keys, *user.adding}) - user.dropping if replaces else frozenset()
        user.dropping |= dropping
        user.adding |= {key}

        def finish(outcome: Outcome) -> None:
            user.adding -= {key}
            user.dropping -= dropping
            self._decided(outcome)

        record = KeyRecord(user.id, key, hub.clock(), device_label(hello.device))
        by = OPERATOR if recovery is not None else ""
        self._append(AddKey(key=record, voucher=voucher, digest=digest, by=by), finish)

    def _append(self, record: Claim | AddKey | Barrier, on_outcome: OnOutcome) -> None:
        self._hub.log.append_change(record, on_outcome, self._session)
        self._hub.batcher.schedule()

    def _decided(self, outcome: Outcome) -> None:
        name, key = self._claimant.name, self._claimant.key
        user = self._hub.users.by_key(name.key)
        if outcome.error is not None:
            self._on_login(None, outcome.error)
        elif outcome.conflict == "invalid":
            self._on_login(None, not_stored(outcome))
        elif outcome.accepted and user is not None and key in user.keys and not user.has(key):
            self._hub.after_flush(lambda: self._decided(outcome))  # somebody asks for its end, and may be refused
        elif outcome.accepted and not (user is not None and user.has(key)):
            self._session.close(codes.KICKED, REVOKED)  # meanwhile
        else:
            self._try_again()

    def _flushed(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._on_login(None, outcome.error)
        else:
            self._try_again()

    def _try_again(self) -> None:
        """Look again: if the log has refused, what it has instead is in memory now and says why."""
        if self._session.closed:
            return
        try:
            user = self.start()
        except Refused as refusal:
            self._on_login(None, refusal)
        else:
            if user is not None:
                self._on_login(user, None)


def _proves(key: bytes, signature: str, claim: keys.Claim) -> bool:
    try:
        raw = key_bytes(signature, SIGNATURE_BYTES)
        Ed25519PublicKey.from_public_bytes(key).verify(raw, signed_bytes(claim))
    except (ValueError, InvalidSignature):
        return False
    return True


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


def check_key(session: Connection, user: User) -> None:
    """Raise if the key of a connection was revoked, and the connection is about to be closed.

    Raises:
        Refused: it may neither let another key in nor revoke one.
    """
    if not user.has(session.key):
        raise Refused(codes.NOT_ALLOWED, REVOKED)


def revoke(hub: Hub, user: User, fingerprint: str, on_outcome: OnOutcome) -> None:
    """Make a key of a user invalid at once; its connections and those of its tokens are closed once that is on disk.

    Raises:
        Refused: the user has no such key, or no other one.
    """
    usable = user.usable_keys()
    key = next((key for key in usable if ed25519_fingerprint(key) == fingerprint), None)
    if key is None:
        raise Refused(codes.NOT_ALLOWED, f'That is no key of {user.name}; "chatcli key list" shows those that are.')
    if len(usable) == 1:
        raise last_key(user.name)
    user.dropping |= {key}

    def finish(outcome: Outcome) -> None:
        user.dropping -= {key}
        on_outcome(outcome)

    hub.log.append_change(DropKey(user.id, key), finish)
    hub.batcher.schedule()
