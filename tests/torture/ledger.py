"""What was sent, acknowledged and delivered; what was lost, duplicated or out of order shows in the balance."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

_REMEMBERED: Final = 10_000  # places of one's newest messages, by which one that comes again is told from a late one


@dataclass(slots=True)
class Account:
    """What one client should get, and has got.

    Attributes:
        last: the newest ``seq`` that came.
        due: acknowledged to their senders, and yet to come.
        early: came, and are yet to be acknowledged to their senders.
        newest: the newest places that came.
    """

    last: int = 0
    due: set[int] = field(default_factory=set)
    early: set[int] = field(default_factory=set)
    newest: deque[int] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))


class Ledger:
    """The accounts of all clients; it grows with what is under way, and not with what has been said."""

    def __init__(self, clients: int) -> None:
        self.accounts = [Account() for _ in range(clients)]
        self.sent = self.acknowledged = self.delivered = 0
        self.duplicated = self.disordered = self.astray = 0

    def acknowledge(self, seq: int, recipients: Iterable[int]) -> None:
        """Note that a message has its place: from now on it is owed to these clients."""
        self.acknowledged += 1
        for index in recipients:
            account = self.accounts[index]
            if seq in account.early:
                account.early.remove(seq)
            else:
                account.due.add(seq)

    def deliver(self, index: int, seq: int, *, own: bool, theirs: bool) -> None:
        """Note what a client got; its own messages must come in order, but none of them need come."""
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
