"""What ``chatcli send --wait`` waits for, and the sentences if it does not come in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from chatcli.protocol.values.names import is_room

if TYPE_CHECKING:
    from chatcli.client.oneshot.receipts import ReceiptWaiter
    from chatcli.protocol.frames import Send


class Wait(NamedTuple):
    """A wait for receipts.

    Attributes:
        timeout: seconds to wait, once the messages are stored.
        seen: until somebody has read each message; otherwise until a client of theirs has received it.
    """

    timeout: int
    seen: bool

    def is_met(self, word: Literal["seen", "delivered", "stored"]) -> bool:
        """Return whether what has become of a message is what was waited for."""
        return word == "seen" or (word == "delivered" and not self.seen)

    def unmet(self, waiter: ReceiptWaiter, message: Send) -> str:
        """Return the sentence for a message whose receipt has not come."""
        from chatcli.protocol.values.durations import duration_text

        to, why = message.to, waiter.unknown.get(message.id, "")
        is_received = message.id in waiter.received
        verb = "read" if self.seen else "received"
        if why:
            return f"It is stored, but whether {_somebody(to)} has {verb} it is not known: {why}"
        place = (
            f"A client of {'somebody there' if is_room(to) else 'theirs'} has it." if is_received else "It is stored."
        )
        time = duration_text(self.timeout)
        if not (self.seen or waiter.tells_received):
            somebody = f"Nobody else in {to}" if is_room(to) else f"No client of {to}"
            why = "The server is older than this client and reports only what was read."
            return f"{somebody} has confirmed it within {time}. {place} {why}"
        if is_room(to):
            return f"Nobody else in {to} {verb} it within {time}. {place}"
        if not self.seen:
            return f"No client of {to} received it within {time}. {place}{_absence(waiter, to)}"
        reason = _absence(waiter, to) or " They may be away from the keyboard, or give no receipts."
        return f"{to} did not read it within {time}. {place}{reason}"


def _somebody(to: str) -> str:
    return f"somebody in {to}" if is_room(to) else to


def _absence(waiter: ReceiptWaiter, to: str) -> str:
    from chatcli.cli.delivery.whereabouts import absence

    person = waiter.batch.people.get(to)
    sentence = absence(person, delivered=False) if person is not None else ""
    return f" {sentence}." if sentence else ""
