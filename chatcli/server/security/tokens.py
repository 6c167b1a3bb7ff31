"""Tokens: who made them, for what, until when, and the connections under them."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from chatcli.errors import Refused, StoreError
from chatcli.protocol import codes
from chatcli.protocol.values.tokens import SECRET_BYTES, token_digest, token_text
from chatcli.server import slices
from chatcli.server.model import Token, User
from chatcli.store.records import DropToken, OnWritten, TokenRecord, UseToken, ignore

if TYPE_CHECKING:
    from chatcli.protocol.frames import Scope
    from chatcli.server.batcher import TickBatcher
    from chatcli.server.model import Connection
    from chatcli.server.throttle import Later
    from chatcli.store.interface import Log

logger = logging.getLogger(__name__)

_MOST: Final = 50  # of one name
_DAY: Final = 86_400_000  # milliseconds
_LONGEST_TIMER: Final = 3600.0  # seconds: clocks of the wall are set
_ROUND: Final = 3600.0  # seconds between two searches for tokens whose time is over
_FIRST_ROUND: Final = 60.0  # seconds after the start until the first of them
_DROPPED_AT_ONCE: Final = 100  # tokens that are looked at in one tick of the loop
_AT_ONCE: Final = 100  # connections that are closed in one tick of the loop


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
        self._by_digest: dict[bytes, Token] = {}
        self._by_user: dict[User, list[Token]] = {}
        for record in records:
            user = user_of(record.user)
            if user is not None:  # otherwise the log is damaged
                self._add(Token(record, user, pending=False))
        later(_FIRST_ROUND, self._drop_regularly)

    @property
    def count(self) -> int:
        """The number of tokens, of which some may have ended within the last hour."""
        return len(self._by_digest)

    def _add(self, token: Token) -> None:
        self._by_digest[token.digest] = token
        self._by_user.setdefault(token.user, []).append(token)

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
        on_written: Callable[[StoreError | None], None],
    ) -> tuple[str, Token]:
        """Return a new token, and its text, which is good once it is written.

        Args:
            user: the user.
            label: the user's words for it.
            scope: what it is good for.
            places: the ids of the users and rooms that it is limited to; None for everywhere.
            seconds: until it ends; None for never.
            key: the public key that makes it; empty for an operator.
            on_written: called once it is on disk, or with the reason why it is not.

        Raises:
            Refused: the user has too many.
        """
        self._drop_expired(self._by_user.get(user, ()))
        if sum(not token.ended for token in self._by_user.get(user, ())) >= _MOST:
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
        token = Token(record, user, pending=True)
        self._add(token)

        def written(error: StoreError | None) -> None:
            token.pending = False
            if error is not None:
                self._remove(token)
            on_written(error)

        self._log.append_change(record, written)
        self._batcher.schedule()
        return text, token

    def _drop_expired(self, tokens: Iterable[Token]) -> None:
        now = self._clock()
        for token in tuple(tokens):
            if token.until is not None and token.until <= now and not (token.ended or token.pending):
                self.revoke(token, "The token of this connection has ended.")

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
        if token.used != day:
            token.used = day
            self._log.append_change(UseToken(token.digest, day))
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
        if token.valid(self._clock()):
            self._set_timer(token)
        else:
            self.end_sessions(token, "The token of this connection has ended: make another one.")

    def end_sessions(self, token: Token, text: str) -> None:
        """Close the connections under a token."""
        slices.run(self._later, _close_all(tuple(token.sessions), text))

    # How tokens end

    def revoke(self, token: Token, text: str, on_written: OnWritten = ignore) -> None:
        """Make a token invalid at once, and close its connections once it is gone from the disk, too.

        Args:
            token: the token.
            text: the sentence for those who are connected.
            on_written: called once that is on disk, or with the reason why it is not.
        """
        token.ended = True

        def written(error: StoreError | None) -> None:
            if error is None:
                self._remove(token)
            else:
                token.ended = False
            on_written(error)
            if error is None:
                self.end_sessions(token, text)

        self._log.append_change(DropToken(token.digest), written)
        self._batcher.schedule()

    def revoke_all(self, user: User, text: str, *, key: bytes | None = None) -> None:
        """Revoke the tokens of a user, or those that one of their keys has made."""
        for token in tuple(self._by_user.get(user, ())):
            if not token.ended and (key is None or token.key == key):
                self.revoke(token, text)


def _close_all(sessions: tuple[Connection, ...], text: str) -> Iterator[None]:
    for portion in slices.portions(sessions, _AT_ONCE):
        for session in portion:
            session.close(codes.KICKED, text)
        yield
