"""Strategies for frames of every kind."""

from __future__ import annotations

from typing import Final, get_args

from hypothesis import strategies as st
from msgspec import UNSET

from chatcli.protocol import frames as f

CLIENT_FRAMES: Final[tuple[type[f.ClientFrame], ...]] = get_args(f.ClientFrame)
SERVER_FRAMES: Final[tuple[type[f.ServerFrame], ...]] = get_args(f.ServerFrame)

_short = st.text(max_size=20)
_texts = st.text(max_size=60) | st.sampled_from(['"\\', "\x00\x1b[31m", "a\nb\r\n", "\u2028", "👩\u200d🚀"])
_seqs = st.integers(0, 2**53 - 1)
_numbers = st.integers(0, 2**53 - 1)
_times = st.integers(0, 253_370_764_800_000)
_sizes = st.integers(1, 2**31 - 1)
_names = st.lists(_short, max_size=3)
_limits = st.builds(f.Limits, _sizes, _sizes, _sizes)
_purposes = st.sampled_from(get_args(f.Purpose))
_presents = st.sampled_from(get_args(f.Present))
_outcomes = st.sampled_from(get_args(f.Outcome))
_kinds = st.sampled_from(get_args(f.RoomKind))
_maybe_seqs = st.none() | _seqs
_maybe_times = st.none() | _times
_pages = st.integers(1, 500)
_choices = st.integers(-1, 8)
_messages = st.builds(
    f.Message,
    _seqs,
    _short,
    _short,
    _short,
    _texts,
    _times,
    _maybe_seqs,
    _names,
    st.none() | _times,
    st.none() | _choices,
)
_receipts = st.builds(f.Receipt, _short, _seqs, _short, _seqs, _seqs)
_reads = st.lists(st.builds(f.ReadPosition, _short, _seqs), max_size=3)
_changes = st.builds(f.NameChange, _short, st.sampled_from(get_args(f.Renewal)), _times, _seqs, _short)
_changes_of_page = st.just(UNSET) | st.lists(_changes, max_size=3)
_people = st.lists(
    st.builds(f.Person, _short, _times, st.sampled_from(get_args(f.Where)), _texts, _times),
    max_size=3,
)
_rooms = st.builds(
    f.RoomInfo, _short, _kinds, _numbers, _texts, _names, st.booleans(), st.booleans(), st.none() | _messages
)

_spans = st.none() | st.integers(1, f.MAX_BAN)

client_frame: Final[st.SearchStrategy[f.ClientFrame]] = st.one_of(
    st.builds(
        f.Hello,
        _numbers,
        _short,
        _purposes,
        _short,
        _maybe_seqs,
        _presents,
        _short,
        _short,
        _short,
        st.none() | _sizes,
        st.booleans(),
        _numbers,
        _short,
    ),
    st.builds(f.Prove, _short),
    st.builds(f.Send, _short, _short, _texts, _maybe_seqs, _names, st.none() | _numbers, st.none() | _choices),
    st.builds(f.Check, _short, _numbers),
    st.builds(f.Ack, _seqs),
    st.builds(f.MarkRead, _seqs, _short, st.booleans(), _numbers),
    st.builds(f.Idle, st.booleans()),
    st.builds(f.Conversations, _pages, _maybe_seqs, _numbers),
    st.builds(f.Who, _short, _numbers, _numbers),
    st.builds(f.Away, _texts, st.booleans(), _numbers),
    st.builds(f.Join, _short, st.none() | _kinds, _numbers),
    st.builds(f.Leave, _short, _numbers),
    st.builds(f.Topic, _short, _texts, _numbers),
    st.builds(f.Rooms, _short, _short, _numbers),
    st.builds(f.History, _short, _maybe_seqs, _maybe_times, _pages, _numbers, _maybe_seqs, _maybe_times, st.booleans()),
    st.builds(f.Search, _texts, _short, _short, _maybe_seqs, _pages, _numbers),
    st.builds(f.Receipts, _short, st.booleans(), _numbers),
    st.builds(f.Answers, _seqs, _numbers),
    st.builds(f.Unread, _numbers),
    st.builds(f.Link, _numbers),
    st.builds(f.Keys, _numbers),
    st.builds(f.Revoke, _short, _numbers),
    st.builds(f.MakeToken, _short, st.sampled_from(get_args(f.Scope)), _names, _spans, _numbers),
    st.builds(f.Tokens, _numbers),
    st.builds(f.RevokeToken, _short, _numbers),
    st.builds(
        f.Operate,
        st.sampled_from(["kick", "own"]),
        _short,
        _short,
        _spans,
        _short,
        _numbers,
    ),
    st.builds(f.Ping, _numbers),
    st.builds(f.Bye),
)

#: The strategies of each kind of frame.
server_frames: Final[dict[type[f.ServerFrame], st.SearchStrategy[f.ServerFrame]]] = {
    f.Challenge: st.builds(f.Challenge, _short, _short, _short),
    f.Welcome: st.builds(
        f.Welcome, _short, _seqs, _seqs, _short, _limits, _names, _names, _numbers, _short, _seqs, _seqs, _reads
    ),
    f.Sent: st.builds(f.Sent, _short, _seqs, _times, _outcomes),
    f.Message: _messages,
    f.Live: st.builds(f.Live, _seqs),
    f.Skipped: st.builds(f.Skipped, _short, _numbers, _seqs),
    f.Read: st.builds(f.Read, _seqs, _short),
    f.NameChange: _changes,
    f.Receipt: _receipts,
    f.People: st.builds(f.People, _people, _short, _numbers, _numbers),
    f.Presence: st.builds(f.Presence, _names, _names, _people),
    f.Room: st.builds(f.Room, _rooms, _seqs, _numbers),
    f.RoomList: st.builds(f.RoomList, st.lists(_rooms, max_size=3), st.booleans(), _numbers),
    f.Happened: st.builds(f.Happened, _short, st.sampled_from(get_args(f.Happening)), _short, _short, _texts),
    f.HistoryPage: st.builds(
        f.HistoryPage, _short, st.lists(_messages, max_size=3), st.booleans(), _numbers, _changes_of_page
    ),
    f.Found: st.builds(f.Found, st.lists(_messages, max_size=3), st.booleans(), _numbers),
    f.ReceiptList: st.builds(f.ReceiptList, _short, st.lists(_receipts, max_size=3), _numbers),
    f.Answered: st.builds(f.Answered, _seqs, st.none() | _messages, _numbers),
    f.UnreadList: st.builds(
        f.UnreadList, _seqs, st.lists(st.builds(f.UnreadCount, _short, _numbers, _seqs, _numbers), max_size=3), _numbers
    ),
    f.ConversationList: st.builds(
        f.ConversationList,
        st.lists(st.builds(f.ConversationInfo, _short, st.none() | _messages, _numbers, _numbers, _seqs), max_size=3),
        st.booleans(),
        _numbers,
    ),
    f.LinkCode: st.builds(f.LinkCode, _short, _times, _numbers),
    f.KeyList: st.builds(f.KeyList, st.lists(st.builds(f.KeyInfo, _short, _times), max_size=3), _numbers),
    f.Token: st.builds(f.Token, _short, _short, st.none() | _times, _numbers),
    f.TokenList: st.builds(
        f.TokenList,
        st.lists(
            st.builds(f.TokenInfo, _short, st.sampled_from(get_args(f.Scope)), _times, _short, st.booleans(), _names),
            max_size=3,
        ),
        _numbers,
    ),
    f.Done: st.builds(f.Done, _numbers),
    f.Pong: st.builds(f.Pong, _numbers),
    f.ServerBye: st.builds(f.ServerBye, _short, _texts),
    f.Error: st.builds(f.Error, _short, _texts, st.none() | _short, st.none() | _numbers, _names),
}
server_frame: Final[st.SearchStrategy[f.ServerFrame]] = st.one_of(*server_frames.values())
