"""The answer to a request by HTTP."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """An answer: status, headers by name in small letters, and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:  # noqa: ANN401 (whatever it is)
        """The body as JSON."""
        assert self.headers["content-type"] == "application/json", self
        return json.loads(self.body)
