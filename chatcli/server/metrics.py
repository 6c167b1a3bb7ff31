"""The server's metrics: read from the hub, and written in the formats of Prometheus."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from chatcli import __version__
from chatcli.server import slices
from chatcli.server.feed import Mode
from chatcli.store.interface import CommitTimes

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from chatcli.server.hub import Hub


_MODES: Final = (Mode.LIVE, Mode.READING, Mode.LAGGING)
_AT_ONCE: Final = 500  # connections that are counted in one tick of the loop
_OPENMETRICS: Final = "application/openmetrics-text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that is counted, at about one moment.

    Attributes:
        connections: the number of connections, by what they speak.
        sessions: the number of logged-in clients, by purpose.
        feeds: the number of feeds, by mode.
        people: the number of people who are here.
        rooms: the number of rooms.
        tokens: the number of tokens.
        messages: messages that were stored.
        delivered: messages that were passed on to live connections.
        refused: the number of refusals, by code.
        handshakes: TLS handshakes.
        requests: the number of HTTP requests, by route and status.
        seq: the newest ``seq`` of the log.
        log_bytes: the size of the log's files.
        pending: bytes of messages that wait to be committed.
        writable: whether the log can be written.
        commits: the number of commits, by bucket.
        commit_seconds: the time that all commits have taken.
    """

    connections: Mapping[str, int]
    sessions: Mapping[str, int]
    feeds: Mapping[str, int]
    people: int
    rooms: int
    tokens: int
    messages: int
    delivered: int
    refused: Mapping[str, int]
    handshakes: int
    requests: Mapping[tuple[str, int], int]
    seq: int
    log_bytes: int
    pending: int
    writable: bool
    commits: tuple[int, ...]
    commit_seconds: float


class Exposition(NamedTuple):
    """Metrics as they are sent: a body, and the type of its content."""

    body: bytes
    content_type: str


class Metrics:
    """Reads the metrics of a running server.

    Args:
        hub: the server's hub.
        in_thread: runs a function in another thread.
    """

    def __init__(self, hub: Hub, in_thread: slices.InThread) -> None:
        self._hub = hub
        self._in_thread = in_thread

    def healthy(self) -> bool:
        """Return whether the log can be written, as far as is known."""
        return self._hub.log.writable

    def _read(self, on_read: Callable[[Reading], None]) -> Iterator[None]:
        """Read everything that is counted: of the connections some at a time, as each may be far away in memory."""
        hub, log, counts = self._hub, self._hub.log, self._hub.counts
        speaks, purposes = Counter[str](), Counter[str]()
        feeds = dict.fromkeys(_MODES, 0)
        for connections in slices.portions(tuple(hub.connections), _AT_ONCE):
            speaks.update([connection.speaks for connection in connections])
            found = [connection.session for connection in connections]
            sessions = [session for session in found if session is not None and session.user is not None]
            purposes.update([session.purpose for session in sessions])
            modes = [session.feed.mode for session in sessions if session.feed is not None]
            for mode in _MODES:
                feeds[mode] += modes.count(mode)  # in C, as a Counter of members of an Enum is not
            yield
        on_read(
            Reading(
                connections=speaks,
                sessions=purposes,
                feeds={mode.value: count for mode, count in feeds.items()},
                people=hub.presence.count,
                rooms=hub.rooms.count,
                tokens=hub.tokens.count,
                messages=counts.messages,
                delivered=counts.delivered,
                refused=dict(counts.refused),
                handshakes=counts.handshakes,
                requests=dict(counts.requests),
                seq=log.head,
                log_bytes=log.health().bytes,
                pending=log.pending_bytes,
                writable=log.writable,
                commits=tuple(log.commit_times.counts),
                commit_seconds=log.commit_times.seconds,
            )
        )

    def expose(
        self, accept: str, on_done: Callable[[Exposition], None], on_failure: Callable[[Exception], None]
    ) -> None:
        """Call a function with the present metrics, once another thread has written them.

        Args:
            accept: see :func:`exposition`.
            on_done: the function.
            on_failure: called with an exception if they cannot be written.
        """
        work = self._read(lambda reading: self._in_thread(lambda: exposition(reading, accept), on_done, on_failure))
        slices.run(self._hub.later, work)


def exposition(reading: Reading, accept: str) -> Exposition:
    """Return the metrics as they are sent.

    It needs nothing of the hub, so that it can run in another thread: it imports the library, and counts the files that
    the process has open.

    Args:
        reading: what was read.
        accept: the formats that the caller can read, as in the header of HTTP: that of OpenMetrics if it is among
            them, else the one that every Prometheus knows.
    """
    # Costs a sixth of a second, and is for servers whose metrics are read.
    from prometheus_client import CollectorRegistry, ProcessCollector  # noqa: PLC0415 (see above)
    from prometheus_client.exposition import choose_encoder  # noqa: PLC0415 (likewise)

    registry = CollectorRegistry()
    registry.register(_Collector(reading))
    ProcessCollector(registry=registry)
    # Nothing else of the header: the library returns parts of it in the type, and fails at a version that is no number.
    chosen = f"{_OPENMETRICS}; version=1.0.0" if _OPENMETRICS in accept.lower() else ""
    encode, kind = choose_encoder(chosen)
    return Exposition(encode(registry), kind)


class _Collector:
    """Turns what was read into the families of the library."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def collect(self) -> Iterable[Metric]:
        """Yield all families."""
        yield from self._gauges()
        yield from self._counters()
        yield self._commit_times()

    def _gauges(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily  # noqa: PLC0415 (see above)

        reading = self._reading
        yield InfoMetricFamily(
            "chatcli_build",
            "The version of the server, and of Python.",
            {"version": __version__, "python": platform.python_version()},
        )
        for name, text, label, values in (
            ("connections", "Open connections, by what they speak.", "speaks", reading.connections),
            ("sessions", "Clients that are logged in under a name, by purpose.", "purpose", reading.sessions),
            ("feeds", "Feeds of messages, by the way in which they get them.", "mode", reading.feeds),
        ):
            family = GaugeMetricFamily(f"chatcli_{name}", text, labels=[label])
            for of, value in values.items():
                family.add_metric([of], value)
            yield family
        for name, text, value in (
            ("people", "People who are here, with an open join.", reading.people),
            ("rooms", "Rooms that have members.", reading.rooms),
            ("tokens", "Tokens; one that has ended counts for up to an hour.", reading.tokens),
            ("log_seq", "The number of the newest message in the log.", reading.seq),
            ("log_bytes", "Size of the log's files, with the search index.", reading.log_bytes),
            ("log_pending_bytes", "Size of the messages that wait to be written, about.", reading.pending),
            (
                "log_writable",
                "Whether the log can be written: 1, or 0 since the last write has failed.",
                reading.writable,
            ),
        ):
            yield GaugeMetricFamily(f"chatcli_{name}", text, float(value))

    def _counters(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import CounterMetricFamily  # noqa: PLC0415 (see above)

        reading = self._reading
        for name, text, value in (
            ("messages", "Messages that were stored.", reading.messages),
            (
                "messages_delivered",
                "Messages that were passed on to live connections as they were stored, once for each connection.",
                reading.delivered,
            ),
            ("tls_handshakes", "TLS handshakes that were completed.", reading.handshakes),
        ):
            yield CounterMetricFamily(f"chatcli_{name}", text, value)
        text = "Requests, messages, logins and connections that were refused, by the code of the error."
        refused = CounterMetricFamily("chatcli_refused", text, labels=["code"])
        for code, count in reading.refused.items():
            refused.add_metric([code], count)
        yield refused
        text = "HTTP requests that were answered, by route and status."
        requests = CounterMetricFamily("chatcli_http_requests", text, labels=["route", "status"])
        for (route, status), count in reading.requests.items():
            requests.add_metric([route, str(status)], count)
        yield requests

    def _commit_times(self) -> Metric:
        from prometheus_client.metrics_core import HistogramMetricFamily  # noqa: PLC0415 (see above)

        bounds = [*map(str, CommitTimes.BOUNDS), "+Inf"]
        buckets = list(zip(bounds, accumulate(self._reading.commits), strict=True))
        text = "Time that commits of messages and other changes have taken, the synchronization of the disk included."
        return HistogramMetricFamily("chatcli_log_commit_seconds", text, buckets, self._reading.commit_seconds)
