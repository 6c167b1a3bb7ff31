"""Labels of errors, which name the frame that they answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from msgspec import inspect

from chatcli.protocol.codec import BadFrame, FrameReader, client_frames
from chatcli.protocol.frames import MAX_FRAME, ClientFrame
from chatcli.server.limits import Limits
from tests.support import Caller, Frame, ThreadServer

ID = "0192f0c1-7b5e-7c3a-9d4e-1f2a3b4c5d6e"
TOO_LARGE = 2**53
#: A value of each type of the wire, and of no other.
SAMPLES: dict[str, object] = {"string": "x", "number": 0.5, "object": {"a": 1}, "array": [[]], "true": True}

Wrong = tuple[str, bytes]


def fields_of(frame: type) -> list[inspect.Field]:
    """Return the fields that a frame declares."""
    found = inspect.type_info(frame)
    assert isinstance(found, inspect.StructType)
    return list(found.fields)


def tag_of(frame: type) -> str:
    """Return the tag of a frame."""
    found = inspect.type_info(frame)
    assert isinstance(found, inspect.StructType)
    return str(found.tag)


LABELLED = [frame for frame in get_args(ClientFrame) if {"n", "id"} & {field.name for field in fields_of(frame)}]


def right(frame: type) -> Frame:
    """Return a valid frame, with its label first."""
    label: Frame = {"id": ID} if tag_of(frame) == "send" else {"n": 5}
    needed: Frame = {}
    for field in fields_of(frame):
        if field.required and field.name not in label:
            needed[field.encode_name] = 1 if isinstance(field.type, inspect.IntType) else "x"
            if isinstance(field.type, inspect.LiteralType):
                needed[field.encode_name] = field.type.values[0]
    return {"t": tag_of(frame), **label, **needed}


def line(fields: Frame) -> bytes:
    """Return a frame as a line."""
    return json.dumps(fields).encode()


def wrong_types(frame: type) -> Iterator[Wrong]:
    """Yield the frame with every value of another type in each of its fields but the one that names it."""
    good = right(frame)
    label = "id" if "id" in good else "n"
    for field in fields_of(frame):
        if field.name == label:
            continue
        for kind, value in SAMPLES.items():
            bad = {**good, field.encode_name: value}
            try:
                msgspec.convert(bad, frame)
            except msgspec.ValidationError:
                yield f"{field.name} {kind}", line(bad)


def out_of_range(frame: type) -> Iterator[Wrong]:
    """Yield the frame with numbers that are too large and too small, and invalid words."""
    good = right(frame)
    for field in fields_of(frame):
        for value in (TOO_LARGE, -2, 10**30, "no such word"):
            bad = {**good, field.encode_name: value}
            if field.name in ("n", "id"):
                continue
            try:
                msgspec.convert(bad, frame)
            except msgspec.ValidationError:
                yield f"{field.name} {value}", line(bad)


def wrong_shapes(frame: type) -> Iterator[Wrong]:
    """Yield the frame with a field missing, twice, cut off, too long, and not quite JSON."""
    good = right(frame)
    for name in good:
        if name not in ("t", "n", "id"):
            yield f"without {name}", line({key: value for key, value in good.items() if key != name})
            yield f"with {name} null", line({**good, name: None})
    whole = line(good)
    yield "with two tags", whole[:-1] + b', "t": "who"}'
    yield "cut off", whole[:-1]
    yield "with a comma too much", whole[:-1] + b",}"
    yield "with something behind", whole + b" x"
    yield "with a string that never ends", whole[:-1] + b', "x": "'
    yield "with bytes that are no UTF-8", whole[:-1] + b', "x": "\xff"}'
    yield "with half a character", whole[:-1] + b', "x": "\\ud800", "to": 1, "re": "x", "back": 1, "room": 1, "of": 1}'
    yield "too long", whole[:-1] + b', "x": "' + b"x" * MAX_FRAME + b'"}'
    yield "nested too deep", whole[:-1] + b', "x": ' + b"[" * 60_000 + b"}"


def all_wrong(frame: type) -> list[Wrong]:
    """Return all invalid variants of a frame, without those in ignored fields."""
    found = [*wrong_types(frame), *out_of_range(frame), *wrong_shapes(frame)]
    return [(what, raw) for what, raw in found if isinstance(read(raw), BadFrame)]


def read(raw: bytes) -> ClientFrame | BadFrame:
    """Return the label of a line."""
    (frame,) = FrameReader(client_frames()).feed(raw + b"\n")
    return frame


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Caller]:
    """A user with any number of forgiven mistakes."""
    with ThreadServer(tmp_path, Limits(bad_frames=10**9)) as server, server.joined("alice") as alice:
        yield alice


@pytest.mark.parametrize("frame", LABELLED, ids=tag_of)
def test_error_names_its_frame(patient: Caller, frame: type) -> None:
    """For each frame and fault the error has the id of a message, or the number of another request."""
    label = "id" if tag_of(frame) == "send" else "n"
    cases = all_wrong(frame)
    assert len(cases) >= len(fields_of(frame))
    for what, raw in cases:
        patient.says_raw(raw + b"\n")
        answer = patient.hears("error")
        assert answer.get(label) == right(frame)[label], (what, answer)
        assert ("n" if label == "id" else "id") not in answer, what


@pytest.mark.parametrize("first", [b'{"t":"future","n":7', b'{"t":"future","id":"7","n":7', b'{"n":7,"t":5', b'{"n":7'])
def test_unknown_frame_is_named(patient: Caller, first: bytes) -> None:
    """A client of another version learns which of its frames is unknown."""
    patient.says_raw(first + b"}\n")
    answer = patient.hears("error", code="unknown_tag", n=7)
    assert answer.get("id") == ("7" if b"id" in first else None)


@pytest.mark.parametrize(
    "label",
    [b'"n":9007199254740992', b'"n":-1', b'"n":1.5', b'"n":"7"', b'"n":true', b'"n":null', b'"n":1' + b"0" * 5000,
     b'"id":7', b'"id":"\\ud800"', b'"id":"' + b"x" * 5000 + b'"'],
    ids=lambda label: label[:24].decode(),
)  # fmt: skip
def test_invalid_numbers_and_ids(patient: Caller, label: bytes) -> None:
    """Numbers that JSON readers do not keep exactly, and invalid or endless ids, are not repeated."""
    patient.says_raw(b'{"t":"future",' + label + b"}\n")
    answer = patient.hears("error")
    assert not {"n", "id"} & answer.keys()


@pytest.mark.parametrize("number", [TOO_LARGE, 2**63, 10**30])
def test_numbers_beyond_exact_json(patient: Caller, number: int) -> None:
    """They are refused in any field, and the connection goes on."""
    patient.says("ping", n=number)
    assert "n" not in patient.hears("error", code="invalid")
    patient.says("history", of="alice", before=number, n=3)
    patient.hears("error", code="invalid", n=3)
    patient.says("ping", n=TOO_LARGE - 1)
    patient.hears("pong", n=TOO_LARGE - 1)


def test_repeated_key(patient: Caller) -> None:
    """The last value counts, in frames and in errors alike."""
    patient.says_raw(b'{"t":"ping","n":1,"n":2}\n{"t":"who","to":5,"n":3,"n":4}\n')
    patient.hears("pong", n=2)
    patient.hears("error", code="invalid", n=4)


@pytest.mark.parametrize("frame", get_args(ClientFrame), ids=tag_of)
def test_null_fields(frame: type) -> None:
    """For each field of each frame: one that may be left out may be null, any other may not."""
    good = right(frame)
    for field in fields_of(frame):
        null = read(line({**good, field.encode_name: None}))
        assert null == read(line({key: value for key, value in good.items() if key != field.encode_name}))
        assert isinstance(null, BadFrame) is field.required
