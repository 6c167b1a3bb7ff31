"""The keys that mean something beside what prompt_toolkit gives them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, Literal

from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.enums import DEFAULT_BUFFER, EditingMode
from prompt_toolkit.filters import Condition, Filter, emacs_insert_mode, has_focus, vi_insert_mode
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

from chatcli.client.ui.writing import Writing

#: How the line is edited.
KeyNames = Literal["emacs", "vi"]
MODES: Final[dict[KeyNames, EditingMode]] = {"emacs": EditingMode.EMACS, "vi": EditingMode.VI}

#: Seconds within which what follows Esc belongs to it: Alt-1 comes as Esc and 1. In vi, Esc alone is pressed often.
ESCAPE: Final[dict[KeyNames, float]] = {"emacs": 1.0, "vi": 0.1}

_in_line = has_focus(DEFAULT_BUFFER)  # and not in the one that Ctrl-R looks for


def key_bindings(writing: Writing) -> KeyBindings:
    """Return the bindings.

    Enter sends, Alt-Enter breaks the line. Ctrl-C clears it, and leaves at the second time where it is empty, as Ctrl-D
    does there at once. Alt-1 to Alt-9 and Alt-arrows open other conversations. Tab completes at once where there is one
    way to, so that an Enter right behind it takes the completed line. A digit may answer a question.
    """
    bindings = KeyBindings()

    def add(*keys: Keys | str, filter: Filter | None = None) -> Callable[[Callable[[], None]], None]:  # noqa: A002
        def bind(do: Callable[[], None]) -> None:
            where = _in_line & filter if filter is not None else _in_line
            bindings.add(*keys, filter=where, eager=keys[0] != Keys.Escape)(lambda _: do())

        return bind

    empty = Condition(lambda: not writing.buffer.text)
    add("enter")(lambda: _enter(writing))
    add("escape", "enter")(lambda: writing.buffer.insert_text("\n"))
    add("c-c")(writing.interrupt)
    add("c-d", filter=empty)(writing.leave)
    add("c-x", "c-e")(writing.open_editor)
    add("tab")(lambda: _complete(writing))
    for number in range(1, 10):
        add("escape", str(number))(partial(writing.go, number))
    for digit in "0123456789":
        add(digit, filter=vi_insert_mode | emacs_insert_mode)(partial(writing.press, digit))
    for key, by in (("left", -1), ("up", -1), ("right", 1), ("down", 1)):
        add("escape", key)(partial(writing.step, by))

    @bindings.add(Keys.BracketedPaste, filter=_in_line, eager=True)
    def _paste(event: KeyPressEvent) -> None:
        writing.insert(event.data)

    return bindings


def _enter(writing: Writing) -> None:
    state = writing.buffer.complete_state
    if state is not None and state.current_completion is not None:
        writing.buffer.complete_state = None  # takes what was chosen; the next Enter sends
        return
    writing.enter()


def _complete(writing: Writing) -> None:
    buffer = writing.buffer
    if buffer.complete_state is not None:
        buffer.complete_next()
        return
    found = list(buffer.completer.get_completions(buffer.document, CompleteEvent(completion_requested=True)))
    if len(found) == 1:
        buffer.apply_completion(found[0])
    elif found:
        buffer.start_completion()
