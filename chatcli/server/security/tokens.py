"""Tokens: who made them, for what, until when, and the connections under them."""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol.values.tokens import SECRET_BYTES, token_digest, token_text
from chatcli.server import slices
from chatcli.server.model import Token, User
from chatcli.store.batch import ignore
from chatcli.store.records import DropToken, TokenRecord, UseToken

if TYPE_CHECKING:
    from chatcli.protocol.frames import Scope
    from chatcli.server.batcher import TickBatcher
    from chatcli.server.model import Connection
    from chatcli.server.throttle import Later
    from chatcli.store.batch import OnOutcome, Outcome
    from chatcli.store.interface import Log
    from chatcli.store.records import Ending

logger = logging.getLogger(__name__)

_MOST: Final = 50  # of one name
_DAY: Final = 86_400_000  # milliseconds
_LONGEST_TIMER: Final = 3600.0  # seconds: clocks of the wall are set
_ROUND: Final = 3600.0  # seconds between two searches for tokens whose time is over
_FIRST_ROUND: Final = 60.0  # seconds after the start until the first of them
_DROPPED_AT_ONCE: Final = 100  # tokens that are looked at in one tick of the loop
_AT_ONCE: Final = 100  # connections that are closed in one tick of the loop
#: For those who are connected with a token that ends.
_SENTENCES: Final[Mapping[Ending, str]] = {
    "expired": "The token of this connection has ended.",
    "key_revoked": "The key that has made this token was revoked.",
    "recovered": "An operator has given {name} a new key: its tokens are revoked.",
    "released": "The name of this token has been released by an operator.",
    "revoked": "The token of this connection was revoked.",
    "revoked_by_operator": "An operator has revoked the token of this connection.",
    "used": "This token has been used.",
}


class Tokens:
    """All tokens, found by digest.

    Args:
        log: stores them.
        records: those that the log held when it was opened.
        user_of: returns the user with an id.
        batcher: schedules the commit.
        clock: the time in milliseconds since 1970-01-01 UTC.
        later: calls a function after a number of seconds.
    """

    def __init__(
        self,
        log: Log,
        records: Iterable[TokenRecord],
        user_of: Callable[[int], User | None],
        *,
        batcher: TickBatcher,
        clock: Callable[[], int],
        later: Later,
    ) -> None:
        self._log = log
        self._batcher = batcher
        self._clock = clock
        self._later = later
        self._user_of = user_of
        self._by_digest: dict[bytes, Token] = {}
        self._by_user: dict[User, list[Token]] = {}
        self._making: Counter[User] = Counter()  # the numbers of those that are being written
        self._using: set[bytes] = set()  # the digests of those whose use is being written
        for record in records:
            self._add(record)
        later(_FIRST_ROUND, self._drop_regularly)

    @property
    def count(self) -> int:
        """The number of tokens, of which some may have ended within the last hour."""
        return len(self._by_digest)

    def _add(self, record: TokenRecord) -> None:
        user = self._user_of(record.user)
        if user is not None:  # otherwise the log is damaged
            token = self._by_digest[record.digest] = Token(record, user)
            self._by_user.setdefault(user, []).append(token)

    def _remove(self, token: Token) -> None:
        self._by_digest.pop(token.digest, None)
        others = [other for other in self._by_user.pop(token.user, ()) if other is not token]
        if others:
            self._by_user[token.user] = others

    def find(self, text: str) -> Token | None:
        """Return the token that a client has shown, if it is valid."""
        token = self._by_digest.get(token_digest(text))
        return token if token is not None and token.valid(self._clock()) else None

    def find_recovery(self, user: User, text: str) -> Token:
        """Return the token with which a new key may be added to a user. The caller revokes the token after use.

        Raises:
            Refused: it is none, or is not valid.
        """
        token = self.find(text.strip())
        if token is None or token.user is not user or token.scope != "recover":
            text = (
                f"That is no recovery token of {user.name}, or not any more: one works once. Check its spelling. "
                f'Another one comes from "chatcli key token --scope recover" where you are {user.name} already.'
            )
            raise Refused(codes.BAD_CODE, text)
        return token

    def of(self, user: User) -> list[Token]:
        """Return the valid tokens of a user, the oldest first."""
        now = self._clock()
        return [token for token in self._by_user.get(user, ()) if token.valid(now)]

    def by_id(self, identity: str) -> Token | None:
        """Return the valid token with that public name."""
        now = self._clock()
        return next((one for one in self._by_digest.values() if one.id == identity and one.valid(now)), None)

    def make(
        self,
        user: User,
        *,
        label: str,
        scope: Scope,
        places: tuple[int, ...] | None,
        seconds: int | None,
        key: bytes,
        on_made: Callable[[str, Token | None, Outcome], None],
    ) -> None:
        """Make a token.

        Args:
            user: the user.
            label: the user's words for it.
            scope: what it is good for.
            places: the ids of the users and rooms that it is limited to; None for everywhere.
            seconds: until it ends; None for never.
            key: the public key that makes it; empty for an operator.
            on_made: called with its text and the token once it is on disk, or with the outcome alone if it is not.

        Raises:
            Refused: the user has too many.
        """
        self._drop_expired(self._by_user.get(user, ()))
        if sum(not token.ended for token in self._by_user.get(user, ())) + self._making[user] >= _MOST:
            raise Refused(codes.TOO_MANY, f"{user.name} has {_MOST} tokens: revoke one that is not needed any more.")
        text, now = token_text(secrets.token_bytes(SECRET_BYTES)), self._clock()
        record = TokenRecord(
            digest=token_digest(text),
            user=user.id,
            label=label,
            scope=scope,
            places=places,
            created=now,
            until=None if seconds is None else now + seconds * 1000,
            key=key,
        )

        self._making[user] += 1

        def finish(outcome: Outcome) -> None:
            self._making -= Counter((user,))  # which drops zeros
            on_made(text, self._by_digest.get(record.digest), outcome)

        self._log.append_change(record, finish)
        self._batcher.schedule()

    def _drop_expired(self, tokens: Iterable[Token]) -> None:
        now = self._clock()
        for token in tuple(tokens):
            if token.until is not None and token.until <= now and not token.ended:
                self.revoke(token, "expired")

    def _drop_regularly(self) -> None:
        self._later(_ROUND, self._drop_regularly)
        slices.run(self._later, self.drop_all_expired())

    def drop_all_expired(self) -> Iterator[None]:
        """Delete the tokens whose time is over from the disk, some at a time."""
        for tokens in slices.portions(tuple(self._by_digest.values()), _DROPPED_AT_ONCE):
            self._drop_expired(tokens)
            yield

    # Connections under a token

    def open(self, token: Token, session: Connection) -> None:
        """Record a login with a token: its connection is closed when the token ends."""
        token.sessions[session] = None
        day = self._clock() // _DAY * _DAY
        if token.used != day and token.digest not in self._using:
            self._using.add(token.digest)
            self._log.append_change(UseToken(token.digest, day), lambda _outcome: self._using.discard(token.digest))
            self._batcher.schedule()
        self._set_timer(token)

    def close(self, token: Token, session: Connection) -> None:
        """Record that a connection has ended."""
        token.sessions.pop(session, None)

    def _set_timer(self, token: Token) -> None:
        if token.until is None or token.timed:
            return
        token.timed = True
        seconds = max(0.0, (token.until - self._clock()) / 1000)
        self._later(min(seconds, _LONGEST_TIMER), lambda: self._time_over(token))

    def _time_over(self, token: Token) -> None:
        token.timed = False
        if not token.sessions or token.ended:
            return
        if token.until is not None and self._clock() < token.until:
            self._set_timer(token)
        else:
            self.end_sessions(token, "The token of this connection has ended: make another one.")

    def end_sessions(self, token: Token, text: str) -> None:
        """Close the connections under a token."""
        slices.run(self._later, _close_all(tuple(token.sessions), text))

    # How tokens end

    def revoke(self, token: Token, why: Ending, on_outcome: OnOutcome = ignore) -> None:
        """Make a token invalid at once; its connections are closed once it is gone from the disk, too.

        Args:
            token: the token.
            why: for those who are connected.
            on_outcome: called once that is on disk, or with the reason why it is not.
        """
        token.ended = True

        def finish(outcome: Outcome) -> None:
            if not outcome.accepted:
                token.ended = False
            on_outcome(outcome)

        self._log.append_change(DropToken(token.digest, why), finish)
        self._batcher.schedule()

    # What the log has

    def apply(self, fact: TokenRecord | UseToken | DropToken) -> int:
        """Follow a change; return the number of connections that are closed because of it."""
        if isinstance(fact, TokenRecord):
            self._add(fact)
            return 0
        token = self._by_digest.get(fact.digest)
        if token is None:
            return 0
        if isinstance(fact, UseToken):
            token.used = fact.day
            return 0
        token.ended = True  # for those who are just being let in with it
        self._remove(token)
        text = _SENTENCES[fact.why].format(name=token.user.name)
        self._later(0.0, lambda: self.end_sessions(token, text))  # after the answer to whoever has revoked it
        # With a name end all connections of its user, which are counted then.
        return 0 if fact.why == "released" else len(token.sessions)


def _close_all(sessions: tuple[Connection, ...], text: str) -> Iterator[None]:
    for portion in slices.portions(sessions, _AT_ONCE):
        for session in portion:
            session.close(codes.KICKED, text)
        yield
