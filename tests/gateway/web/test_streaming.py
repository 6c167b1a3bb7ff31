"""Frames as events and as lines."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.gateway.web.streaming import Events, Lines, Renderer, Renderers
from chatcli.protocol import frames as f
from chatcli.protocol.codec import encode, encode_all
from chatcli.protocol.records import json_line, of_change, of_delivery
from tests.server.web.streams import Event, EventParser

_EPOCH = "5f0c3b1e9d2a4c68"


def message(seq: int, text: str = "hi", sender: str = "bob", to: str = "#ops", **fields: object) -> f.Message:
    """Return a message."""
    made: f.Message = f.Message(seq=seq, id=f"id{seq}", sender=sender, to=to, text=text, at=1_764_000_000_000)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def events_in(data: bytes) -> list[Event]:
    """Return the events in a stream."""
    return EventParser().feed(data)


def test_a_message_is_an_event() -> None:
    """Its data is the line that the command line prints."""
    one = message(7, re=3)
    (event,) = events_in(Renderer(Events(_EPOCH)).render(encode(one)).data)
    assert event == Event(f"7-{_EPOCH}", "message", json_line(of_delivery(one, replayed=False)))
    assert event.record["text"] == "hi"


@given(st.text(), st.integers(1, 64))
def test_any_text_arrives(text: str, size: int) -> None:
    """Whatever line ends and controls are in it, and however the stream is cut."""
    text = text.encode("utf-8", "replace").decode()
    data = Renderer(Events(_EPOCH)).render(encode_all([message(1, text), message(2)])).data
    parser = EventParser()
    found = []
    pending = b""
    for start in range(0, len(data), size):
        pending += data[start : start + size]
        try:
            pending.decode()
        except UnicodeDecodeError:  # a reader decodes as a stream
            continue
        found += parser.feed(pending)
        pending = b""
    assert [event.record["text"] for event in found] == [text, "hi"]
    (line, _) = Renderer(Lines()).render(encode_all([message(1, text), message(2)])).data.splitlines(keepends=True)
    assert json.loads(line)["text"] == text


def test_a_change_of_a_name() -> None:
    """It is an event of its own kind, and a line."""
    change = f.NameChange("bob", "taken", 1_764_000_000_000, 9)
    (event,) = events_in(Renderer(Events(_EPOCH)).render(encode(change)).data)
    assert event == Event(f"9-{_EPOCH}", "name-change", json_line(of_change(change)))
    assert Renderer(Lines()).render(encode(change)).data.decode() == json_line(of_change(change)) + "\n"


def test_a_stream_begins_with_a_place() -> None:
    """A reader that is cut off before the first message goes on there, too."""
    parser = EventParser()
    assert parser.feed(Events(_EPOCH).opening(41)) == []
    assert (parser.last_id, parser.retry) == (f"41-{_EPOCH}", 3000)
    assert parser.feed(Renderer(Events(_EPOCH)).render(encode(f.Live(43))).data) == []
    assert parser.last_id == f"43-{_EPOCH}"
    assert parser.feed(Events(_EPOCH).idle) == []
    assert parser.comments == 1


def test_what_has_no_place_has_no_id() -> None:
    """A reader goes on where it was."""
    renderer = Renderer(Events(_EPOCH))
    rendering = renderer.render(
        encode(message(5)) + encode(f.Error("storage", "Damaged.")) + encode(f.ServerBye("kicked", "Go."))
    )
    assert [(event.id[:1], event.name) for event in events_in(rendering.data)] == [
        ("5", "message"),
        ("5", "notice"),
        ("5", "bye"),
    ]
    assert rendering.farewell == f.ServerBye("kicked", "Go.")
    assert Renderer(Lines()).render(encode(f.Error("storage", "Damaged."))).data == b""


def test_what_is_no_news_is_left_out() -> None:
    """As ``listen`` leaves it out."""
    lines = encode_all([f.Read(5), f.Presence(here=["bob"]), f.Happened("#ops", "joined", "bob"), f.Pong()])
    assert Renderer(Events(_EPOCH)).render(lines).data == b""


def test_own_messages() -> None:
    """They are left out for their sender, unless they are to themselves."""
    lines = encode_all(
        [message(1, sender="al"), message(2, sender="al", to="al"), message(3), message(4, sender="al", to="bob")]
    )
    renderer = Renderer(Lines())
    assert [json.loads(line)["seq"] for line in renderer.render(lines).data.splitlines()] == [1, 2, 3, 4]
    assert [json.loads(line)["seq"] for line in renderer.render(lines, "al").data.splitlines()] == [2, 3]
    assert renderer.render(lines, "zoe") is renderer.render(lines)
    assert renderer.render(lines, "al") is renderer.render(lines, "al")


def test_what_was_made_last_is_kept() -> None:
    """Up to some megabytes."""
    renderer = Renderer(Lines())
    pieces = [encode(message(seq, "x" * 30_000)) for seq in range(1, 200)]
    first = renderer.render(pieces[0])
    assert renderer.render(bytes(bytearray(pieces[0]))) is first
    for piece in pieces:
        renderer.render(piece)
    assert renderer.render(pieces[-1]) is renderer.render(pieces[-1])
    assert renderer.render(pieces[0]) is not first
    assert renderer._size <= 4 * 1024 * 1024
    long = encode_all([message(seq, "x" * 30_000) for seq in range(1, 40)])
    assert renderer.render(long) is not renderer.render(long)


def test_one_renderer_for_each_format() -> None:
    """All readers of a server share it."""
    renderers = Renderers()
    assert renderers.of(_EPOCH, events=True) is renderers.of(_EPOCH, events=True)
    assert renderers.of(_EPOCH, events=False).style.content_type == "application/x-ndjson"


@pytest.mark.parametrize(
    ("stream", "found"),
    [
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", ["YHOO\n+2\n10"]),
        (b": test\n\ndata: first\nid: 1\n\ndata:second\nid\n\ndata:  third\n\n", ["first", "second", " third"]),
        (b"data\n\ndata\ndata\n\ndata:", ["", "\n"]),
        (b"\xef\xbb\xbfdata:test\r\n\r\ndata: test\r\r", ["test", "test"]),
    ],
)
def test_the_parser_of_these_tests(stream: bytes, found: list[str]) -> None:
    """The examples of the specification."""
    assert [event.data for event in events_in(stream + b"\n")][: len(found)] == found
