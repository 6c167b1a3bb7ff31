"""The frames on the wire, for clients in other languages."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import msgspec.inspect
import pytest
from hypothesis import given
from msgspec.json import Decoder

from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.codec import client_frames, encode, server_frames
from tests.protocol.strategies import CLIENT_FRAMES, SERVER_FRAMES, client_frame, server_frame

ID = "01890a5d-ac96-774b-bcce-b302099a8057"

ON_THE_WIRE: list[tuple[f.ClientFrame | f.ServerFrame, str]] = [
    (f.Hello(1), '{"t":"hello","version":1}'),
    (f.Hello(1, "bob", "send", since=0), '{"t":"hello","version":1,"user":"bob","purpose":"send","since":0}'),
    (f.Hello(1, key="k", present="attach"), '{"t":"hello","version":1,"key":"k","present":"attach"}'),
    (f.Challenge("n", "s", "SHA256:k"), '{"t":"challenge","nonce":"n","server":"s","key":"SHA256:k"}'),
    (f.Prove("s"), '{"t":"prove","signature":"s"}'),
    (f.Send(ID, "bob", "hi"), f'{{"t":"send","id":"{ID}","to":"bob","text":"hi"}}'),
    (f.Send(ID, "#ops", "hi", 7), f'{{"t":"send","id":"{ID}","to":"#ops","text":"hi","re":7}}'),
    (
        f.Send(ID, "bob", "Deploy?", choices=["yes", "no"], seconds=60),
        f'{{"t":"send","id":"{ID}","to":"bob","text":"Deploy?","choices":["yes","no"],"seconds":60}}',
    ),
    (f.Send(ID, "bob", re=7, answer=0), f'{{"t":"send","id":"{ID}","to":"bob","re":7,"answer":0}}'),
    (f.Ack(7), '{"t":"ack","seq":7}'),
    (f.MarkRead(7), '{"t":"read","seq":7}'),
    (f.MarkRead(7, "#ops", back=True), '{"t":"read","seq":7,"of":"#ops","back":true}'),
    (f.Idle(), '{"t":"idle"}'),
    (f.Idle(back=True), '{"t":"idle","back":true}'),
    (f.Conversations(20, 9, 1), '{"t":"conversations","limit":20,"before":9,"n":1}'),
    (f.Who(), '{"t":"who"}'),
    (f.Who(n=3), '{"t":"who","n":3}'),
    (f.Who("#ops", 5), '{"t":"who","to":"#ops","limit":5}'),
    (f.Away("lunch"), '{"t":"away","text":"lunch"}'),
    (f.Away(back=True, n=1), '{"t":"away","back":true,"n":1}'),
    (f.Join("#ops", n=1), '{"t":"join","room":"#ops","n":1}'),
    (f.Join("#ops", "private"), '{"t":"join","room":"#ops","kind":"private"}'),
    (f.Leave("#ops"), '{"t":"leave","room":"#ops"}'),
    (f.Topic("#ops", "deploys"), '{"t":"topic","room":"#ops","text":"deploys"}'),
    (f.Rooms(n=1), '{"t":"rooms","n":1}'),
    (f.Rooms("#ops", "#dev"), '{"t":"rooms","room":"#ops","after":"#dev"}'),
    (f.History("bob", 9, 5, 20, 1), '{"t":"history","of":"bob","before":9,"since":5,"limit":20,"n":1}'),
    (
        f.History("bob", after=3, until=7, forward=True),
        '{"t":"history","of":"bob","after":3,"until":7,"forward":true}',
    ),
    (f.Search("hi", "#ops", "bob"), '{"t":"search","text":"hi","in":"#ops","from":"bob"}'),
    (f.Check("bob", 3), '{"t":"check","to":"bob","n":3}'),
    (f.Receipts("bob", watch=True), '{"t":"receipts","to":"bob","watch":true}'),
    (f.Answers(7, 1), '{"t":"answers","re":7,"n":1}'),
    (f.Unread(), '{"t":"unread"}'),
    (f.Link(1), '{"t":"link","n":1}'),
    (f.Keys(), '{"t":"keys"}'),
    (f.Revoke("SHA256:k"), '{"t":"revoke","key":"SHA256:k"}'),
    (f.MakeToken("ci", to=["#ops"], seconds=60), '{"t":"token","label":"ci","to":["#ops"],"seconds":60}'),
    (f.Tokens(1), '{"t":"tokens","n":1}'),
    (f.RevokeToken("a94f0d5c71e2"), '{"t":"untoken","token":"a94f0d5c71e2"}'),
    (f.Operate("mute", "eve", seconds=60), '{"t":"operate","do":"mute","to":"eve","seconds":60}'),
    (f.Operate("invite", "eve", "#ops"), '{"t":"operate","do":"invite","to":"eve","room":"#ops"}'),
    (f.Ping(), '{"t":"ping"}'),
    (f.Bye(), '{"t":"bye"}'),
    (
        f.Welcome("bob", 9, 7, "s", f.Limits(1, 2, 3)),
        (
            '{"t":"welcome","user":"bob","head":9,"cursor":7,"server":"s","limits":{"text":1,"frame":2,"silence":3},'
            '"rooms":[],"invited":[],"revision":0,"epoch":"","shared":0,"read":0,"reads":[]}'
        ),
    ),
    (f.Sent(ID, 9, 1000, "stored"), f'{{"t":"sent","id":"{ID}","seq":9,"at":1000,"outcome":"stored"}}'),
    (
        f.Message(9, ID, "ann", "bob", "hi", 1000),
        f'{{"t":"message","seq":9,"id":"{ID}","from":"ann","to":"bob","text":"hi","at":1000}}',
    ),
    (
        f.Message(9, ID, "ann", "bob", "Deploy?", 1000, choices=["yes", "no"], until=2000),
        (
            f'{{"t":"message","seq":9,"id":"{ID}","from":"ann","to":"bob","text":"Deploy?","at":1000,'
            '"choices":["yes","no"],"until":2000}'
        ),
    ),
    (f.Live(9), '{"t":"live","seq":9}'),
    (f.Skipped("#ops", 4312, 17), '{"t":"skipped","to":"#ops","count":4312,"before":17}'),
    (f.Read(9), '{"t":"read","seq":9}'),
    (f.Read(9, "#ops"), '{"t":"read","seq":9,"of":"#ops"}'),
    (f.Receipt("bob", 9), '{"t":"receipt","user":"bob","seq":9}'),
    (f.Receipt("bob", 9, "#ops"), '{"t":"receipt","user":"bob","seq":9,"to":"#ops"}'),
    (f.People([f.Person("bob", 5)], n=3), '{"t":"who","people":[{"user":"bob","since":5}],"n":3}'),
    (
        f.People([f.Person("bob", 5, "away", "lunch")], "#ops", 7),
        '{"t":"who","people":[{"user":"bob","since":5,"state":"away","text":"lunch"}],"to":"#ops","count":7}',
    ),
    (f.Presence(["ann"], []), '{"t":"presence","here":["ann"]}'),
    (
        f.Room(f.RoomInfo("#ops", "open", 1, owners=["ann"], joined=True), 9, 1),
        '{"t":"room","room":{"name":"#ops","kind":"open","members":1,"owners":["ann"],"joined":true},"since":9,"n":1}',
    ),
    (f.RoomList([]), '{"t":"rooms","rooms":[],"more":false,"n":0}'),
    (
        f.Happened("#ops", "kicked", "eve", "ann", "noise"),
        '{"t":"happened","room":"#ops","what":"kicked","user":"eve","by":"ann","text":"noise"}',
    ),
    (f.NameChange("carol", "taken", 5, 9), '{"t":"renewed","user":"carol","what":"taken","at":5,"seq":9}'),
    (
        f.ConversationList([f.ConversationInfo("#ops", unread=3, mentions=1, read=7)]),
        ('{"t":"conversations","conversations":[{"of":"#ops","unread":3,"mentions":1,"read":7}],"more":false,"n":0}'),
    ),
    (f.HistoryPage("bob", [], more=False), '{"t":"history","of":"bob","messages":[],"more":false,"n":0}'),
    (f.Found([], more=True, n=1), '{"t":"search","messages":[],"more":true,"n":1}'),
    (
        f.ReceiptList("bob", [f.Receipt("bob", 9)]),
        '{"t":"receipts","to":"bob","people":[{"t":"receipt","user":"bob","seq":9}],"n":0}',
    ),
    (
        f.Answered(7, f.Message(9, ID, "bob", "ann", "yes", 1000, 7, answer=0)),
        (
            f'{{"t":"answer","re":7,"message":{{"t":"message","seq":9,"id":"{ID}","from":"bob","to":"ann","text":"yes",'
            '"at":1000,"re":7,"answer":0}}'
        ),
    ),
    (f.Answered(7, n=1), '{"t":"answer","re":7,"n":1}'),
    (
        f.UnreadList(4, [f.UnreadCount("#ops", 2, 9)], 1),
        '{"t":"unread","cursor":4,"conversations":[{"of":"#ops","count":2,"seq":9}],"n":1}',
    ),
    (f.LinkCode("ba-bo", 9, 1), '{"t":"link","code":"ba-bo","until":9,"n":1}'),
    (f.KeyList([f.KeyInfo("SHA256:k", 5)]), '{"t":"keys","keys":[{"fingerprint":"SHA256:k","since":5}],"n":0}'),
    (
        f.KeyList([f.KeyInfo("SHA256:k", 5, "Tab")], 1),
        '{"t":"keys","keys":[{"fingerprint":"SHA256:k","since":5,"device":"Tab"}],"n":1}',
    ),
    (f.Token("cct_x", "0a", 9, 1), '{"t":"token","token":"cct_x","id":"0a","until":9,"n":1}'),
    (
        f.TokenList([f.TokenInfo("0a", "send", 5, limited=True, to=["#ops"])]),
        '{"t":"tokens","tokens":[{"id":"0a","scope":"send","since":5,"limited":true,"to":["#ops"]}],"n":0}',
    ),
    (f.Done(2), '{"t":"done","n":2}'),
    (f.Pong(3), '{"t":"pong","n":3}'),
    (f.ServerBye("left", "Goodbye."), '{"t":"bye","code":"left","text":"Goodbye."}'),
    (f.Error("full", "No."), '{"t":"error","code":"full","text":"No."}'),
    (
        f.Error("full", "No.", ID, 1, ["x"]),
        f'{{"t":"error","code":"full","text":"No.","id":"{ID}","n":1,"names":["x"]}}',
    ),
]


@pytest.mark.parametrize(("frame", "line"), ON_THE_WIRE, ids=lambda value: value if isinstance(value, str) else "")
def test_form_on_the_wire(frame: f.ClientFrame | f.ServerFrame, line: str) -> None:
    """Each frame is written as the protocol's page says, field by field."""
    assert encode(frame) == line.encode() + b"\n"


def test_examples_have_every_frame() -> None:
    """The examples have each kind of frame of both directions."""
    assert {type(frame) for frame, _ in ON_THE_WIRE} == {*CLIENT_FRAMES, *SERVER_FRAMES}


@given(client_frame)
def test_client_frames_round_trip(frame: f.ClientFrame) -> None:
    """Each client frame survives encoding and decoding."""
    assert client_frames().decode(encode(frame)) == frame


@given(server_frame)
def test_server_frames_round_trip(frame: f.ServerFrame) -> None:
    """Each server frame survives encoding and decoding."""
    assert server_frames().decode(encode(frame)) == frame


@given(client_frame | server_frame)
def test_frame_is_one_line(frame: f.ClientFrame | f.ServerFrame) -> None:
    """Whatever a text holds, its frame is one JSON object on one line, tagged by ``t``."""
    line = encode(frame)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert isinstance(json.loads(line)["t"], str)


@pytest.mark.parametrize(
    ("decoder", "line"),
    [(client_frames(), b'{"t":"ping","new":{"a":[1]}}'), (server_frames(), b'{"t":"pong","new":null}')],
)
def test_unknown_fields_are_ignored(decoder: Decoder[f.ClientFrame | f.ServerFrame], line: bytes) -> None:
    """A field that this version does not know does no harm."""
    assert decoder.decode(line) in (f.Ping(), f.Pong())


def test_default_lists_are_not_shared() -> None:
    """Two frames whose lists were left out do not share one."""
    first, second = f.Error("full", "No."), f.Error("full", "No.")
    first.names.append("bob")
    assert second.names == []


def test_codes_have_meanings() -> None:
    """Each code is explained, and nothing else is."""
    stable = {value for name, value in vars(codes).items() if name.isupper() and isinstance(value, str)}
    assert stable == set(codes.MEANINGS)
    assert all(codes.MEANINGS.values())


def _numbers(kind: msgspec.inspect.Type) -> Iterator[msgspec.inspect.IntType | msgspec.inspect.FloatType]:
    """Yield the types of all numbers in a type, also within lists and unions."""
    match kind:
        case msgspec.inspect.IntType() | msgspec.inspect.FloatType():
            yield kind
        case msgspec.inspect.ListType() | msgspec.inspect.CollectionType():
            yield from _numbers(kind.item_type)
        case msgspec.inspect.UnionType():
            for each in kind.types:
                yield from _numbers(each)
        case msgspec.inspect.StructType():
            for field in kind.fields:
                yield from _numbers(field.type)


@pytest.mark.parametrize("frame", [*CLIENT_FRAMES, *SERVER_FRAMES])
def test_numbers_have_bounds(frame: type[msgspec.Struct]) -> None:
    """A frame with a number out of its bounds is invalid, so that readers need not check again."""
    for number in _numbers(msgspec.inspect.type_info(frame)):
        assert isinstance(number, msgspec.inspect.IntType)
        assert number.ge is not None, frame
        assert number.le is not None, frame
        assert number.le < 2**63
