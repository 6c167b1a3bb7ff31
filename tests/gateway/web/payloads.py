"""Payloads of webhooks, as their makers document them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec


class Sample(msgspec.Struct, forbid_unknown_fields=True):
    """A documented payload with the text that it leads to."""

    source: str
    headers: dict[str, str]
    body: dict[str, Any]
    text: list[str]


SAMPLES: Final = {
    path.stem: msgspec.json.decode(path.read_bytes(), type=Sample)
    for path in sorted((Path(__file__).parent / "samples").glob("*.json"))
}
