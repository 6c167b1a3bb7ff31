"""Counters of a running server: numbers that nothing else needs, for its metrics."""

from __future__ import annotations

from collections import Counter


class Counts:
    """Numbers since the start of the server; each only grows.

    Attributes:
        messages: messages that were stored.
        delivered: messages that were passed on to live connections, once for each connection.
        refused: by code, requests, messages, logins and connections that were refused.
        handshakes: TLS handshakes that were completed.
        requests: by route and status, HTTP requests that were answered.
    """

    __slots__ = ("delivered", "handshakes", "messages", "refused", "requests")

    def __init__(self) -> None:
        self.messages = 0
        self.delivered = 0
        self.refused: Counter[str] = Counter()
        self.handshakes = 0
        self.requests: Counter[tuple[str, int]] = Counter()
