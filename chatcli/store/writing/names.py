"""Names, and the keys and tokens of those to whom they belong: claimed, added, ended, and released."""

from __future__ import annotations

import sqlite3
from typing import Final

from msgspec import json
from msgspec.structs import astuple, replace

from chatcli.protocol.frames import Renewal
from chatcli.store.records import (
    RELEASED,
    AddKey,
    Claim,
    DropKey,
    DropToken,
    Ending,
    Fact,
    KeyRecord,
    NameChangeRecord,
    Release,
    Rename,
    Ruling,
    TokenRecord,
    UserRecord,
)
from chatcli.store.sanction import Sanction, encode
from chatcli.store.sqlite.name_changes import was_released, write_change
from chatcli.store.writing.head import Head
from chatcli.store.writing.memberships import Memberships
from chatcli.store.writing.rulings import Decision, Rulings
from chatcli.store.writing.users import find_user

_TAKEN: Final = "SELECT 1 FROM users WHERE key = ? OR id = ?"
_LOOKALIKE: Final = "SELECT 1 FROM users WHERE look = ?1 OR key = ?1"
_ADD_USER: Final = """
INSERT INTO users (id, name, key, look, created, cursor, read, shown, seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_RENAME: Final = "UPDATE users SET name = ?2, key = ?3, look = NULL WHERE id = ?1"
_ADD_KEY: Final = "INSERT INTO keys (user, key, since, device) VALUES (?, ?, ?, ?)"
_HAS_KEY: Final = "SELECT 1 FROM keys WHERE user = ? AND key = ?"
_KEYS: Final = "SELECT key FROM keys WHERE user = ? ORDER BY since, key"
_DROP_KEY: Final = "DELETE FROM keys WHERE user = ? AND key = ?"
_ADD_TOKEN: Final = """
INSERT INTO tokens (digest, user, label, scope, places, created, until, used, key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""  # noqa: S105 (no password)
_FIND_TOKEN: Final = "SELECT user, scope, until FROM tokens WHERE digest = ?"  # noqa: S105 (likewise)
_DROP_TOKEN: Final = "DELETE FROM tokens WHERE digest = ?"  # noqa: S105 (likewise)
_TOKENS: Final = "SELECT digest FROM tokens WHERE user = ? ORDER BY created, digest"
_TOKENS_OF_KEY: Final = "SELECT digest FROM tokens WHERE user = ? AND key = ? ORDER BY created, digest"
_OF_NAME: Final = ("mute", "operator", "service", "recovery")  # rulings that would hold for the next owner


class Names:
    """The names of a log with their keys and tokens, used within the transactions of the writer.

    Args:
        connection: the writer's.
        head: the end of the log.
        rulings: those of the log.
        memberships: the rooms of those who lose their name.
    """

    def __init__(self, connection: sqlite3.Connection, head: Head, rulings: Rulings, memberships: Memberships) -> None:
        self._connection = connection
        self._head = head
        self._rulings = rulings
        self._memberships = memberships

    def claim(self, record: Claim) -> Decision:
        """Make a user with their first key, if the name is free and the codes hold; use the codes up."""
        execute = self._connection.execute
        if execute(_TAKEN, (record.key, record.id)).fetchone():
            return "taken"
        if execute(_LOOKALIKE, (record.look,)).fetchone():
            return "lookalike"
        invitation = self._rulings.find("invitation", record.invitation) if record.invitation else None
        if record.invitation and (invitation is None or invitation.uses < 1 or invitation.over(record.created)):
            return "bad_code"
        if record.recovery and self._find_recovery(record.key, record.recovery, record.created) is None:
            return "bad_code"
        newest = self._head.newest
        user = UserRecord(
            id=record.id,
            name=record.name,
            key=record.key,
            look=record.look,
            created=record.created,
            received=newest,
            read=newest,
            public_read=newest,
        )
        execute(_ADD_USER, astuple(user))
        facts: list[Fact] = [user]
        if record.public_key:
            facts.append(self._write_key(KeyRecord(record.id, record.public_key, record.created, record.device)))
        if invitation is not None:
            left = replace(invitation, uses=invitation.uses - 1)
            value = encode(left) if left.uses else None
            facts.append(self._rulings.store(Ruling("invitation", record.invitation, value)))
        facts += self._rulings.end("recovery", record.key)
        if record.by:
            facts.append(self._rulings.store(Ruling("service", record.key, encode(Sanction(at=record.created)))))
        if was_released(self._connection, record.key):
            facts.append(self._write_change(record.key, record.id, "taken", record.by, record.created))
        return facts

    def add_key(self, record: AddKey) -> Decision:
        """Add a key to a user, if the voucher holds."""
        user, at = record.key.user, record.key.since
        owner = find_user(self._connection, user)
        if owner is None:
            return "missing"
        if self._has_key(user, record.key.key):
            return []
        match record.voucher:
            case "none":
                is_taken = self._keys(user) or self._rulings.exists("service", owner.key)
                return "taken" if is_taken else [self._write_key(record.key)]
            case "device":
                return [self._write_key(record.key), self._write_change(owner.key, user, "key", "", at)]
            case "token":
                return self._use_recovery_token(record, owner.key)
            case "recovery":
                return self._recover(record, owner.key)

    def _use_recovery_token(self, record: AddKey, name: str) -> Decision:
        user, at = record.key.user, record.key.since
        if isinstance(record.digest, str):
            return "bad_code"
        row = self._connection.execute(_FIND_TOKEN, (record.digest,)).fetchone()
        of, scope, until = row if row is not None else (0, "", None)
        if of != user or scope != "recover" or (until is not None and until <= at):
            return "bad_code"
        self._connection.execute(_DROP_TOKEN, (record.digest,))
        used = DropToken(record.digest, "used")
        return [self._write_key(record.key), used, self._write_change(name, user, "key", "", at)]

    def _recover(self, record: AddKey, name: str) -> Decision:
        user, at = record.key.user, record.key.since
        recovery = self._find_recovery(name, record.digest, at)
        if recovery is None:
            return "bad_code"
        facts: list[Fact] = [self._write_key(record.key), self._write_change(name, user, "recovered", record.by, at)]
        facts += self._rulings.end("recovery", name)
        if not recovery.keep:
            facts += self._delete_tokens(self._tokens(user), "recovered")
            for key in self._keys(user):
                if key != record.key.key:
                    facts.append(self._delete_key(DropKey(user, key, "recovered")))
        return facts

    def drop_key(self, record: DropKey) -> Decision:
        """Remove a key from a user, and the tokens that it has made."""
        if not self._has_key(record.user, record.key):
            return "missing"
        if len(self._keys(record.user)) == 1:
            return "last_key"
        made = self._connection.execute(_TOKENS_OF_KEY, (record.user, record.key)).fetchall()
        return [self._delete_key(record), *self._delete_tokens([digest for (digest,) in made], "key_revoked")]

    def release(self, record: Release) -> Decision:
        """Take a name from its owner, with all that would hold for the next one."""
        user = record.user
        owner = find_user(self._connection, user)
        if owner is None or owner.key != record.key:
            return "missing"
        facts: list[Fact] = [self._write_change(record.key, user, "released", record.by, record.at)]
        for kind in _OF_NAME:
            facts += self._rulings.end(kind, record.key)
        facts += self._delete_tokens(self._tokens(user), "released")
        facts += self._rulings.end_invitations_of(user, owner.name)
        renamed = Rename(user, record.name, f"{RELEASED}{user}")
        self._connection.execute(_RENAME, renamed)
        return [*facts, renamed, *self._memberships.leave_all(user)]

    def add_token(self, record: TokenRecord) -> Decision:
        """Add a token, if its user and the key that made it are still there."""
        if find_user(self._connection, record.user) is None:
            return "missing"
        if record.key and not self._has_key(record.user, record.key):
            return "missing"
        if self._connection.execute(_FIND_TOKEN, (record.digest,)).fetchone():
            return "taken"
        places = None if record.places is None else json.encode(record.places).decode()
        self._connection.execute(_ADD_TOKEN, astuple(replace(record, places=places)))
        return [record]

    def _find_recovery(self, name: str, digest: bytes | str, at: int) -> Sanction | None:
        """Return the recovery code of a name if it has that digest, and its time is not over."""
        found = self._rulings.find("recovery", name)
        return found if found is not None and found.reason == digest and not found.over(at) else None

    def _has_key(self, user: int, key: bytes) -> bool:
        return self._connection.execute(_HAS_KEY, (user, key)).fetchone() is not None

    def _keys(self, user: int) -> list[bytes]:
        return [key for (key,) in self._connection.execute(_KEYS, (user,))]

    def _tokens(self, user: int) -> list[bytes]:
        return [digest for (digest,) in self._connection.execute(_TOKENS, (user,))]

    def _write_key(self, key: KeyRecord) -> KeyRecord:
        self._connection.execute(_ADD_KEY, key)
        return key

    def _delete_key(self, record: DropKey) -> DropKey:
        self._connection.execute(_DROP_KEY, (record.user, record.key))
        return record

    def _delete_tokens(self, digests: list[bytes], why: Ending) -> list[Fact]:
        self._connection.executemany(_DROP_TOKEN, [(digest,) for digest in digests])
        return [DropToken(digest, why) for digest in digests]

    def _write_change(self, name: str, user: int, what: Renewal, by: str, at: int) -> NameChangeRecord:
        change = NameChangeRecord(key=name, user=user, what=what, by=by, at=at, seq=self._head.use_next())
        write_change(self._connection, change)
        return change
