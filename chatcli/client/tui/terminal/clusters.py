"""Characters of several code points, drawn as one cell as wide as this terminal shows them.

prompt_toolkit counts and moves by code points (its issue 274, pull request 2045), and terminals disagree on the width
of an emoji of three people. So samples are printed once, and the terminal reports the cursor's position after each;
until then the widths of the parts are added. prompt_toolkit gets a private character of Unicode for each cluster, which
the output replaces; then the output moves the cursor by the counted width, whatever the terminal has drawn.

Two caches of prompt_toolkit that are not public are used, because it measures and draws characters by no other table:
the widths (``_CHAR_SIZES_CACHE``) and the cells that depend on them (``_CHAR_CACHE``).
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Final

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.formatted_text.utils import fragment_list_to_text
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.screen import _CHAR_CACHE
from prompt_toolkit.layout.utils import explode_text_fragments
from prompt_toolkit.utils import _CHAR_SIZES_CACHE
from wcwidth import grapheme_boundary_before, iter_graphemes, wcwidth

from chatcli.client.interactive.render import Fragments
from chatcli.client.interactive.widths import columns

_FIRST, _LAST = 0x10F000, 0x10FFFD  # private characters without a known use
_JOINER, _SELECTOR = "\u200d", "\ufe0f"
_TONES: Final = range(0x1F3FB, 0x1F400)
_FLAGS: Final = range(0x1F1E6, 0x1F200)
_JAMO: Final = range(0x1100, 0x1200)
_TAB_STOP: Final = 8

#: Samples by kind: each has two columns on a terminal that draws it as one character.
SAMPLES: Final = {
    "joined": "👨‍👩‍👧",
    "toned": "👍🏽",
    "flag": "🇩🇪",
    "selected": "❤\ufe0f",
    "jamo": "\u1112\u1161\u11ab",
    "spacing": "\u0928\u093f",
}
_MOST: Final = 8  # columns of a sample in a credible report


def can_show(encoding: str | None) -> bool:
    """Return whether the samples can be sent to a terminal in this encoding."""
    return (encoding or "").lower().replace("-", "") == "utf8"


class Clusters:
    """The clusters seen so far, and the widths of their kinds on this terminal."""

    def __init__(self) -> None:
        self._private: dict[str, str] = {}
        self._text: dict[str, str] = {}
        self._measured: dict[str, int] = {}
        self._asked: list[str] = []

    def private(self, cluster: str) -> str:
        """Return the private character for a cluster, or the cluster if there are no more private ones."""
        known = self._private.get(cluster)
        if known is None:
            if len(self._private) > _LAST - _FIRST:
                return cluster
            known = self._private[cluster] = chr(_FIRST + len(self._private))
            self._text[known] = cluster
            _CHAR_SIZES_CACHE[known] = self.width(cluster)
        return known

    def width(self, cluster: str) -> int:
        """Return the columns of a cluster on this terminal, by the reports so far."""
        kind = _kind(cluster)
        apart = sum(max(0, wcwidth(char)) for char in cluster)
        measured = self._measured.get(kind)
        if measured is None:
            return apart
        if kind == "spacing":
            return apart + (measured - 1) * sum(unicodedata.category(char) == "Mc" for char in cluster)
        return columns(cluster) if measured == columns(SAMPLES[kind]) else apart

    def questions(self) -> str:
        """Return the output that makes the terminal report the width of each kind, and erases the samples."""
        self._asked = list(SAMPLES)
        return "".join(f"\r{sample}\x1b[6n" for sample in SAMPLES.values()) + "\r\x1b[K"

    def drawn(self, data: str) -> str | None:
        """Return the output for a cell of prompt_toolkit, or None if it is written as it is."""
        cluster = self._text.get(data)
        if cluster is None:
            return None
        width = _CHAR_SIZES_CACHE[data]
        # Erased first: the terminal may draw fewer columns than were counted.
        return f"\x1b7{' ' * width}\x1b8\x1b7{cluster}\x1b8\x1b[{width}C" if width else cluster

    @property
    def is_measuring(self) -> bool:
        """Whether reports of the terminal are still to come."""
        return bool(self._asked)

    def record(self, column: int) -> bool:
        """Record a reported column, counted from 1; return whether to draw again."""
        if not self._asked:
            return False
        kind, width = self._asked.pop(0), column - 1
        if not 1 <= width <= _MOST:
            return False
        self._measured[kind] = width
        for private, cluster in self._text.items():
            _CHAR_SIZES_CACHE[private] = self.width(cluster)
        _CHAR_CACHE.clear()
        return bool(self._text)

    def mapped(self, fragments: Fragments) -> Fragments:
        """Return styled text with private characters for clusters."""
        return [(name, text if text.isascii() else "".join(self._mapped(text))) for name, text in fragments]

    def _mapped(self, text: str) -> Iterator[str]:
        for unit in iter_graphemes(text):
            yield unit if self.is_plain(unit) else self.private(unit)

    @staticmethod
    def is_plain(unit: str) -> bool:
        """Return whether a character is drawn by prompt_toolkit alone."""
        return len(unit) == 1 and not _FIRST <= ord(unit) <= _LAST


def _kind(cluster: str) -> str:
    codes = [ord(char) for char in cluster]
    if _JOINER in cluster:
        return "joined"
    if any(code in _TONES for code in codes[1:]):
        return "toned"
    if codes[0] in _FLAGS:
        return "flag"
    if _SELECTOR in cluster:
        return "selected"
    if codes[0] in _JAMO:
        return "jamo"
    return "spacing" if any(unicodedata.category(char) == "Mc" for char in cluster) else ""


#: One for the process, because prompt_toolkit's table of widths is.
CLUSTERS: Final = Clusters()


class ClusterProcessor(Processor):
    """Shows typed text with one cell for each character, and tabs up to the text's own stops."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """Return the shown line, and the mapping between its places and those of the text."""
        fragments = transformation_input.fragments
        text = fragment_list_to_text(fragments)
        if text.isascii() and "\t" not in text:
            return Transformation(fragments)
        styles = [fragment[0] for fragment in explode_text_fragments(fragments)]
        shown: StyleAndTextTuples = []
        places: list[int] = []  # in the shown line, for each place in the text
        at = column = 0
        for unit in iter_graphemes(text):
            places += [len(shown)] * len(unit)
            if unit == "\t":
                gap = _TAB_STOP - column % _TAB_STOP
                shown += [(styles[at], " ")] * gap
                column += gap
            else:
                cell = unit if CLUSTERS.is_plain(unit) else CLUSTERS.private(unit)
                shown.append((styles[at], cell))
                column += _CHAR_SIZES_CACHE[cell]
            at += len(unit)
        return Transformation(shown, *_mappings(places, len(shown)))


def _mappings(places: list[int], shown: int) -> tuple[Callable[[int], int], Callable[[int], int]]:
    def to_display(place: int) -> int:
        return places[place] if place < len(places) else shown + place - len(places)

    def to_source(place: int) -> int:
        if place >= shown:
            return len(places) + place - shown
        return bisect_left(places, place)

    return to_display, to_source


def joined_before(buffer: Buffer) -> int:
    """Return the number of code points of the character before the cursor."""
    text = buffer.document.current_line_before_cursor
    return len(text) - grapheme_boundary_before(text, len(text)) if text and not text[-1].isascii() else len(text[-1:])


def joined_after(buffer: Buffer) -> int:
    """Return the number of code points of the character at the cursor."""
    return len(next(iter_graphemes(buffer.document.current_line_after_cursor), ""))
