"""The states of a connection: which frames are legal in each, and to which state they lead."""

from __future__ import annotations

import enum
from typing import Final

from chatcli.protocol import frames as f


class State(enum.Enum):
    """The state of a connection."""

    GREETING = "greeting"  # the client has not sent a hello yet
    PROVING = "proving"  # it has not proved its key yet
    READY = "ready"  # it is logged in
    CLOSED = "closed"

    # The members are looked up for every frame, and the hash of Enum is a function in Python.
    __hash__ = object.__hash__


Table = dict[State, dict[type, State]]

#: The frames that a client may send, and the state that it may count on: a request can follow the proof at once. The
#: connection itself moves when the server answers, see ``FROM_SERVER``.
FROM_CLIENT: Final[Table] = {
    State.GREETING: {f.Hello: State.PROVING, f.Bye: State.CLOSED},
    State.PROVING: {f.Prove: State.READY, f.Bye: State.CLOSED},
    State.READY: {
        f.Send: State.READY,
        f.Check: State.READY,
        f.Ack: State.READY,
        f.MarkRead: State.READY,
        f.Who: State.READY,
        f.Away: State.READY,
        f.Idle: State.READY,
        f.Join: State.READY,
        f.Leave: State.READY,
        f.Topic: State.READY,
        f.Rooms: State.READY,
        f.History: State.READY,
        f.Search: State.READY,
        f.Receipts: State.READY,
        f.Answers: State.READY,
        f.Unread: State.READY,
        f.Conversations: State.READY,
        f.Link: State.READY,
        f.Keys: State.READY,
        f.Revoke: State.READY,
        f.MakeToken: State.READY,
        f.Tokens: State.READY,
        f.RevokeToken: State.READY,
        f.Operate: State.READY,
        f.Ping: State.READY,
        f.Bye: State.CLOSED,
    },
    State.CLOSED: {},
}

#: The frames that the server may send, and the state to which each moves the connection on both sides. An error does so
#: if it answers a hello or a prove.
FROM_SERVER: Final[Table] = {
    State.GREETING: {
        f.Challenge: State.PROVING,
        f.Welcome: State.READY,  # at once, where nothing needs to be proved
        f.Error: State.GREETING,
        f.ServerBye: State.CLOSED,
    },
    State.PROVING: {f.Welcome: State.READY, f.Error: State.GREETING, f.ServerBye: State.CLOSED},
    State.READY: {
        f.Sent: State.READY,
        f.Message: State.READY,
        f.Live: State.READY,
        f.Skipped: State.READY,
        f.Read: State.READY,
        f.Receipt: State.READY,
        f.People: State.READY,
        f.Presence: State.READY,
        f.Room: State.READY,
        f.RoomList: State.READY,
        f.Happened: State.READY,
        f.NameChange: State.READY,
        f.HistoryPage: State.READY,
        f.Found: State.READY,
        f.ReceiptList: State.READY,
        f.Answered: State.READY,
        f.UnreadList: State.READY,
        f.ConversationList: State.READY,
        f.LinkCode: State.READY,
        f.KeyList: State.READY,
        f.Token: State.READY,
        f.TokenList: State.READY,
        f.Done: State.READY,
        f.Pong: State.READY,
        f.Error: State.READY,
        f.ServerBye: State.CLOSED,
    },
    State.CLOSED: {},
}


def after(table: Table, state: State, frame: type) -> State | None:
    """Return the state that ``frame`` leads to, or None if it is not legal."""
    return table[state].get(frame)
