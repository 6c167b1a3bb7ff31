"""Readers of streams: an independent parser of Server-Sent Events, and the two kinds of streams over sockets."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

from chatcli.protocol.values.address import Address
from tests.support import DEADLINE


class Event(NamedTuple):
    """A dispatched event, with the id that its reader remembers then."""

    id: str
    name: str
    data: str

    @property
    def record(self) -> dict[str, Any]:
        """The data, which is JSON."""
        record = json.loads(self.data)
        assert isinstance(record, dict)
        return record


class EventParser:
    """Reads an event stream as WHATWG HTML, section 9.2.6, says.

    Attributes:
        last_id: the last event id.
        retry: the reconnection time.
        comments: how many comments there were.
    """

    def __init__(self, last_id: str = "") -> None:
        self._buffer = ""
        self._begun = False
        self._id_buffer = self.last_id = last_id
        self.retry: int | None = None
        self.comments = 0
        self._name, self._data = "", ""

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that are dispatched."""
        text = data.decode("utf-8")
        if not self._begun and text:
            self._begun, text = True, text.removeprefix("\ufeff")
        self._buffer += text
        events = []
        while (line := self._line()) is not None:
            event = self._interpret(line)
            if event is not None:
                events.append(event)
        return events

    def _line(self) -> str | None:
        ends = [at for at in map(self._buffer.find, "\r\n") if at >= 0]
        if not ends or (self._buffer[min(ends)] == "\r" and min(ends) + 1 == len(self._buffer)):
            return None
        end = min(ends)
        line, rest = self._buffer[:end], self._buffer[end:]
        self._buffer = rest[2:] if rest.startswith("\r\n") else rest[1:]
        return line

    def _interpret(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        if line.startswith(":"):
            self.comments += 1
            return None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._name = value
            case "data":
                self._data += value + "\n"
            case "id" if "\0" not in value:
                self._id_buffer = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry = int(value)
        return None

    def _dispatch(self) -> Event | None:
        self.last_id = self._id_buffer
        name, data, self._name, self._data = self._name, self._data, "", ""
        return Event(self.last_id, name or "message", data.removesuffix("\n")) if data else None


class Reader:
    """A request by HTTP whose answer is read as it comes."""

    def __init__(self, address: Address, path: str, token: str, method: str = "GET", **headers: str) -> None:
        self._connection = http.client.HTTPConnection(address.host, address.port, timeout=DEADLINE)
        fields = {"Authorization": f"Bearer {token}"} | {name.replace("_", "-"): text for name, text in headers.items()}
        self._connection.connect()
        self._file = self._connection.sock.fileno()
        self._connection.request(method, path, headers=fields)
        self.answer = self._connection.getresponse()
        self.status = self.answer.status
        self.headers = self.answer.headers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.answer.close()
        self._connection.close()

    def close_half(self) -> None:
        """Say that nothing more will be said."""
        socket.socket(fileno=os.dup(self._file)).shutdown(socket.SHUT_WR)

    def rest(self) -> str:
        """Return the rest, up to the end."""
        return self.answer.read().decode()


class EventReader(Reader):
    """A reader of Server-Sent Events."""

    def __init__(self, address: Address, path: str, token: str, last_id: str = "", **headers: str) -> None:
        if last_id:
            headers["Last_Event_ID"] = last_id
        super().__init__(address, path, token, **headers)
        self.parser = EventParser(last_id)
        self._events = self._read()

    def _read(self) -> Iterator[Event]:
        while data := self.answer.read1(65536):
            yield from self.parser.feed(data)

    def until_comment(self) -> None:
        """Read up to the next comment."""
        before = self.parser.comments
        while self.parser.comments == before:
            data = self.answer.read1(65536)
            assert data, "the stream ended"
            assert not self.parser.feed(data)

    def until_ready(self) -> Self:
        """Read up to the first id, which comes before anything else."""
        while not self.parser.last_id or self.parser.retry is None:
            data = self.answer.read1(65536)
            assert data, "the stream ended"
            assert not self.parser.feed(data)
        return self

    def next(self) -> Event:
        """Return the next event."""
        return next(self._events)

    def ends(self) -> bool:
        """Return whether the stream ends, without another event."""
        return next(self._events, None) is None

    def texts(self, count: int) -> list[str]:
        """Return the texts of the next messages."""
        return [self.next().record["text"] for _ in range(count)]


class LineReader(Reader):
    """A reader of lines of JSON."""

    def next(self) -> dict[str, Any]:
        """Return the next record."""
        while True:
            line = self.answer.readline()
            assert line, "the stream ended"
            if line.strip():
                record = json.loads(line)
                assert isinstance(record, dict)
                return record

    def records(self) -> list[dict[str, Any]]:
        """Return all that are left, up to the end."""
        return [json.loads(line) for line in self.rest().splitlines()]
