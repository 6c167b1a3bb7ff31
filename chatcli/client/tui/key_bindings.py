"""The keys that mean something beside what prompt_toolkit gives them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, Literal

from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.enums import DEFAULT_BUFFER, EditingMode
from prompt_toolkit.filters import (
    Condition,
    Filter,
    emacs_insert_mode,
    has_focus,
    has_selection,
    is_searching,
    vi_insert_mode,
)
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.search import stop_search

from chatcli.client.tui.input_line import Writing
from chatcli.client.tui.terminal.clusters import joined_after, joined_before

#: How the line is edited.
KeyNames = Literal["emacs", "vi"]
MODES: Final[dict[KeyNames, EditingMode]] = {"emacs": EditingMode.EMACS, "vi": EditingMode.VI}

#: Seconds within which what follows Esc belongs to it: Alt-1 comes as Esc and 1 at once. A finger takes longer, and
#: what it types after Esc is text, or a command that has to begin with its slash.
ESCAPE: Final = 0.1
_LETTERS: Final = "".join(char for char in map(chr, range(0x21, 0x7F)) if not char.isdigit())

_in_line = has_focus(DEFAULT_BUFFER)  # and not in the one that Ctrl-R looks for


def key_bindings(writing: Writing) -> KeyBindings:
    """Return the bindings.

    Enter sends, Alt-Enter breaks the line. Ctrl-C clears it, and leaves at the second time where it is empty, as Ctrl-D
    does there at once. Alt-1 to Alt-9 and Alt-arrows open other conversations. Tab completes at once where there is one
    way to, so that an Enter right behind it takes the completed line. A digit may answer a question.

    Nothing that is typed after Esc is lost: Esc closes the menu of Tab and the search of Ctrl-R, and the line is as it
    was before. On an empty line Alt and a letter type the letter, for there is nothing else to be done with it.
    """
    bindings = KeyBindings()

    def add(*keys: Keys | str, filter: Filter | None = None) -> Callable[[Callable[[], None]], None]:  # noqa: A002
        def bind(do: Callable[[], None]) -> None:
            where = _in_line & filter if filter is not None else _in_line
            bindings.add(*keys, filter=where, eager=keys[0] != Keys.Escape)(lambda _: do())

        return bind

    empty = Condition(lambda: not writing.buffer.text)
    add("escape", "enter")(lambda: writing.buffer.insert_text("\n"))
    add("c-c")(writing.interrupt)
    add("c-d", filter=empty)(writing.leave)
    add("c-x", "c-e")(writing.open_editor)
    add("tab")(lambda: _complete(writing))
    _add_those_for_whole_characters(add, writing)
    for number in range(1, 10):
        add("escape", str(number))(partial(writing.go, number))
    for digit in "0123456789":
        add(digit, filter=vi_insert_mode | emacs_insert_mode)(partial(writing.press, digit))
    for letter in _LETTERS:
        add("escape", letter, filter=emacs_insert_mode & empty)(partial(writing.type, letter))
    for sign in "/-0":  # would choose a completion, or have the next letter typed so many times
        add("escape", sign, filter=emacs_insert_mode)(partial(writing.type, sign))
    for key, by in (("left", -1), ("up", -1), ("right", 1), ("down", 1)):
        add("escape", key)(partial(writing.step, by))
    _add_those_with_events(bindings, writing)
    return bindings


def _add_those_for_whole_characters(add: Callable[..., Callable[[Callable[[], None]], None]], writing: Writing) -> None:
    """Have keys move over and delete characters of several code points, of which prompt_toolkit takes one at a time."""
    inserting = (vi_insert_mode | emacs_insert_mode) & ~has_selection
    before = Condition(lambda: joined_before(writing.buffer) > 1) & inserting
    after = Condition(lambda: joined_after(writing.buffer) > 1) & inserting
    for key in ("left", "c-b"):
        add(key, filter=before)(lambda: writing.buffer.cursor_left(joined_before(writing.buffer)))
    for key in ("right", "c-f"):
        add(key, filter=after)(lambda: writing.buffer.cursor_right(joined_after(writing.buffer)))
    add("c-h", filter=before)(lambda: _delete(writing.buffer.delete_before_cursor, joined_before(writing.buffer)))
    for key in ("delete", "c-d"):
        add(key, filter=after)(lambda: _delete(writing.buffer.delete, joined_after(writing.buffer)))


def _add_those_with_events(bindings: KeyBindings, writing: Writing) -> None:
    menu = Condition(lambda: writing.buffer.complete_state is not None)

    @bindings.add(Keys.BracketedPaste, filter=_in_line, eager=True)
    def _paste(event: KeyPressEvent) -> None:
        writing.insert(event.data)

    @bindings.add("enter", filter=_in_line, eager=True)
    def _take_line(event: KeyPressEvent) -> None:
        _enter(writing, _following(event))

    @bindings.add("escape", filter=_in_line & menu, eager=True)
    def _close_menu(event: KeyPressEvent) -> None:
        writing.buffer.cancel_completion()
        if event.key_processor.input_queue:  # Alt and a key
            event.key_processor.feed(event.key_sequence[0], first=True)

    @bindings.add("escape", filter=is_searching, eager=True)
    def _close_search(_: KeyPressEvent) -> None:
        stop_search()
        writing.forsake_history()


def _delete(delete: Callable[[int], str], count: int) -> None:
    delete(count)


def _following(event: KeyPressEvent) -> str:
    """Return the text that was read together with a key and comes after it; what Alt is held for is none."""
    text = ""
    before: Keys | str = ""
    for press in event.key_processor.input_queue:
        if press.key == Keys.ControlM:
            text += "\n"
        elif not isinstance(press.key, Keys) and before != Keys.Escape:
            text += press.key
        before = press.key
    return text


def _enter(writing: Writing, following: str) -> None:
    if writing.is_pasted_with(following):
        writing.breaks()
        return
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
