"""Makes frames of every kind, for the properties that hold of all of them."""

from __future__ import annotations

from typing import Final, get_args

from hypothesis import strategies as st

from chatcli.protocol import frames as f

CLIENT_FRAMES: Final[tuple[type[f.ClientFrame], ...]] = get_args(f.ClientFrame)
SERVER_FRAMES: Final[tuple[type[f.ServerFrame], ...]] = get_args(f.ServerFrame)

_short = st.text(max_size=20)
_texts = st.text(max_size=60) | st.sampled_from(['"\\', "\x00\x1b[31m", "a\nb\r\n", "\u2028", "👩\u200d🚀"])
_seqs = st.integers(0, 2**63 - 1)
_numbers = st.integers(0, 2**53 - 1)
_times = st.integers(0, 253_370_764_800_000)
_sizes = st.integers(1, 2**31 - 1)
_names = st.lists(_short, max_size=3)
_limits = st.builds(f.Limits, _sizes, _sizes, _sizes)
_purposes = st.sampled_from(get_args(f.Purpose))
_presents = st.sampled_from(get_args(f.Present))
_outcomes = st.sampled_from(get_args(f.Outcome))

client_frame: Final[st.SearchStrategy[f.ClientFrame]] = st.one_of(
    st.builds(f.Hello, _numbers, _short, _purposes, _short, st.none() | _seqs, _presents, _short, _short, _short),
    st.builds(f.Prove, _short),
    st.builds(f.Send, _short, _short, _texts),
    st.builds(f.Ack, _seqs),
    st.builds(f.Who, _numbers),
    st.builds(f.Link, _numbers),
    st.builds(f.Keys, _numbers),
    st.builds(f.Revoke, _short, _numbers),
    st.builds(f.Operate, st.sampled_from(["kick", "ban"]), _short, st.none() | _sizes, _short, _numbers),
    st.builds(f.Ping, _numbers),
    st.builds(f.Bye),
)

server_frame: Final[st.SearchStrategy[f.ServerFrame]] = st.one_of(
    st.builds(f.Challenge, _short, _short, _short),
    st.builds(f.Welcome, _short, _seqs, _seqs, _short, _limits),
    st.builds(f.Sent, _short, _seqs, _times, _outcomes),
    st.builds(f.Message, _seqs, _short, _short, _short, _texts, _times),
    st.builds(f.Live, _seqs),
    st.builds(f.People, st.lists(st.builds(f.Person, _short, _times), max_size=3), _numbers),
    st.builds(f.Presence, _names, _names),
    st.builds(f.LinkCode, _short, _times, _numbers),
    st.builds(f.KeyList, st.lists(st.builds(f.KeyInfo, _short, _times), max_size=3), _numbers),
    st.builds(f.Done, _numbers),
    st.builds(f.Pong, _numbers),
    st.builds(f.ServerBye, _short, _texts),
    st.builds(f.Error, _short, _texts, st.none() | _short, st.none() | _numbers, _names),
)
