"""The opening of a connection: what is known of it before there is a session, and what the session inherits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.codec import encode
from chatcli.server.connection.flow_control import FlowControl, Pause
from chatcli.server.security.account import Account
from chatcli.server.security.prices import WASTE

if TYPE_CHECKING:
    from chatcli.protocol.values.address import Address
    from chatcli.server.connection.wire import Wire
    from chatcli.server.hub import Hub
    from chatcli.server.model import Token, User
    from chatcli.server.security.account import Payer

#: Tells whether pages of an origin are the server's own.
OwnsPage = Callable[[str], bool]

NOT_OURS: Final = 'This is a chatcli server: it speaks JSON, one object a line; people reach it with "chatcli join".'
NO_HELLO: Final = "There was no hello within {:g} seconds."


class Opening:
    """A connection whose caller has yet to say a first word: it has a deadline, pays for TLS, and can be closed.

    Args:
        hub: the hub that the connection belongs to.
        wire: what is written to.
        peer: the address at the other end.
        on_bytes: called with the first bytes from the caller, and as often as more come; they may come within TLS.

    Attributes:
        wire: as given, or a layer that was put on top of it.
        peer: as given.
        caller: the address under which the limits of each address count.
        channel: what a client's proof will be bound to, see :class:`chatcli.protocol.keys.Claim`; None where no key can
            be proved.
        readable: whether others on the way may read what a WebSocket carries.
        owns_page: tells whether pages of an origin are the server's own; None if no page of a browser has opened it.
        flow: flow control of the connection.
        begun: bytes from the caller that are not known to be in any protocol yet.
        age: seconds since the connection was opened; after a goodbye, seconds since that.
        closed: whether nothing more is sent.
        deaf: whether what the caller sends is ignored, since the connection is closed or the server about to stop.
    """

    user: User | None = None
    token: Token | None = None
    welcomed = False
    __slots__ = (
        "_account", "_hub", "_on_bytes", "age", "begun", "caller", "channel", "closed", "deaf", "flow", "owns_page",
        "peer", "readable", "wire",
    )  # fmt: skip

    def __init__(self, hub: Hub, wire: Wire, peer: Address, on_bytes: Callable[[bytes], None]) -> None:
        self._hub = hub
        self.wire = wire
        self.peer = peer
        self.caller = peer.host
        self._on_bytes = on_bytes
        self.begun = b""
        self.channel: bytes | None = b""
        self.readable = False
        self.owns_page: OwnsPage | None = None
        self.flow = FlowControl(wire, hub.limits)
        self._account: Account | None = None
        self.age = 0.0
        self.closed = self.deaf = False

    def __str__(self) -> str:
        return str(self.peer)

    @property
    def session(self) -> None:
        """The session: it is made at the first word."""
        return None

    @property
    def account(self) -> Account:
        """The account of the connection."""
        if self._account is None:
            self._account = Account(self, self._hub.rate_limits)
        return self._account

    def expect(self, on_bytes: Callable[[bytes], None]) -> None:
        """Pass on bytes that come within a layer, which have a first word of their own, to someone else."""
        self._on_bytes = on_bytes
        self.begun = b""

    def move(self, wire: Wire) -> None:
        """Write to another wire, on top of the present one, and pause that."""
        self.wire = wire
        self.flow.move(wire)

    def pass_account(self, payer: Payer) -> Account | None:
        """Return the account if there is one, which a session pays from now on."""
        account = self._account
        if account is not None:
            account.payer = payer
        return account

    def pay_for_waste(self, size: int) -> None:
        """Pay for bytes of TLS that carried nothing."""
        self.account.charge(size / WASTE)

    def hold(self) -> None:
        """Stop reading from the caller until it can pay."""
        self.flow.pause(Pause.ALLOWANCE)

    def release(self) -> None:
        """Read from the caller again: it can pay."""
        self.flow.resume(Pause.ALLOWANCE)

    def pause_writing(self) -> None:
        """Stop reading: the socket is full."""
        self.flow.pause(Pause.UNSENT)

    def resume_writing(self) -> None:
        """Read again: the socket takes more."""
        self.flow.resume(Pause.UNSENT)

    def received(self, data: bytes) -> None:
        """Pass on the first bytes, unless the caller is not heard any more."""
        if not self.deaf:
            self.begun += data
            self._on_bytes(self.begun)

    def finished(self) -> None:
        """Close: the caller sends nothing more, and has said no word."""
        if self.begun:
            self.close(codes.MALFORMED, NOT_OURS)
        else:
            self.close(codes.LEFT, "Goodbye.")

    def lost(self) -> None:
        """Forget the connection, which is gone."""
        self.closed = self.deaf = True
        self.flow.close()

    def stop_reading(self) -> None:
        """Ignore what the caller says: the server is about to stop. A handshake goes on, for the goodbye to be read."""
        self.deaf = True

    def tick(self, seconds: float) -> None:
        """Check the deadlines; called regularly."""
        self.age += seconds
        limits = self._hub.limits
        if self.closed:
            if self.age > limits.closing:
                self.wire.abort()
        elif self.age > limits.handshake:
            self.close(codes.TIMEOUT, NO_HELLO.format(limits.handshake))

    def close(self, code: str, text: str) -> None:
        """Send the reason and close."""
        self.close_with(encode(f.ServerBye(code, text)))

    def close_with(self, farewell: bytes) -> None:
        """Send a farewell, which is in the caller's own protocol, and close."""
        if self.closed:
            return
        self.closed = self.deaf = True
        self.age = 0.0
        self.flow.close()
        # A transport may be closed a moment before anybody learns of it.
        try:
            self.wire.write(farewell)
            self.wire.close()
        except RuntimeError:
            pass
        except OSError:  # TLS below is in a state in which nothing can be sent
            self.wire.abort()

    def abort(self) -> None:
        """Close at once."""
        self.wire.abort()
