"""Records messages sent, acknowledged and delivered, and balances losses, duplicates and disorder."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

_REMEMBERED: Final = 10_000  # places of the newest messages, which distinguish a duplicate from a late message


@dataclass(slots=True)
class Account:
    """The messages that a client should get, and has got.

    Attributes:
        last: the newest delivered ``seq``.
        due: acknowledged to their senders, not yet delivered.
        early: delivered, not yet acknowledged to their senders.
        newest: the newest delivered places.
    """

    last: int = 0
    due: set[int] = field(default_factory=set)
    early: set[int] = field(default_factory=set)
    newest: deque[int] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))


class Ledger:
    """The accounts of all clients, whose size follows the messages in flight."""

    def __init__(self, clients: int) -> None:
        self.accounts = [Account() for _ in range(clients)]
        self.sent = self.acknowledged = self.delivered = 0
        self.duplicated = self.disordered = self.astray = 0

    def acknowledge(self, seq: int, recipients: Iterable[int]) -> None:
        """Record a message's place: from now on it is due to these clients."""
        self.acknowledged += 1
        for index in recipients:
            account = self.accounts[index]
            if seq in account.early:
                account.early.remove(seq)
            else:
                account.due.add(seq)

    def deliver(self, index: int, seq: int, *, own: bool, theirs: bool) -> None:
        """Record a delivery; own messages are optional, but must be in order."""
        account = self.accounts[index]
        if seq <= account.last:
            if seq in account.newest:
                self.duplicated += 1
            else:
                self.disordered += 1
                account.due.discard(seq)
            return
        account.last = seq
        account.newest.append(seq)
        if own:
            return
        self.delivered += 1
        self.astray += not theirs
        if seq in account.due:
            account.due.remove(seq)
        else:
            account.early.add(seq)

    @property
    def lost(self) -> int:
        """Return the number of lost messages: later ones have arrived already."""
        return sum(1 for account in self.accounts for seq in account.due if seq < account.last)

    @property
    def due(self) -> int:
        """Return the number of messages still on their way."""
        return sum(len(account.due) for account in self.accounts)

    @property
    def unacknowledged(self) -> int:
        """Return the number of delivered messages that are not acknowledged yet."""
        return sum(len(account.early) for account in self.accounts)

    def __str__(self) -> str:
        return (
            f"sent {self.sent}, acknowledged {self.acknowledged}, delivered {self.delivered}, "
            f"lost {self.lost}, duplicated {self.duplicated}, out of order {self.disordered}, astray {self.astray}"
        )
