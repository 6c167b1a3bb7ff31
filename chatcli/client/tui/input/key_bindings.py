"""The key bindings added to those of prompt_toolkit."""

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

from chatcli.client.tui.input.input_line import InputLine
from chatcli.client.tui.terminal.clusters import joined_after, joined_before

#: How the line is edited.
KeyNames = Literal["emacs", "vi"]
MODES: Final[dict[KeyNames, EditingMode]] = {"emacs": EditingMode.EMACS, "vi": EditingMode.VI}

#: Seconds within which a key belongs to the Esc before it: Alt-1 comes as Esc and 1 at once. A finger is slower, and
#: types text after Esc, or a command that has to begin with its slash.
ESCAPE: Final = 0.1
_LETTERS: Final = "".join(char for char in map(chr, range(0x21, 0x7F)) if not char.isdigit())

_in_line = has_focus(DEFAULT_BUFFER)  # and not in the search field of Ctrl-R


def key_bindings(line: InputLine) -> KeyBindings:
    """Return the bindings.

    Enter sends, Alt-Enter breaks the line. Ctrl-C clears it; on an empty line the second Ctrl-C leaves, and Ctrl-D
    leaves at once. Alt-1 to Alt-9 and Alt-arrows open other conversations. Tab completes at once if there is only one
    candidate, so that an Enter right after it sends the completed line. A digit may answer a question.

    Nothing that is typed after Esc is lost: Esc closes the menu of Tab and the search of Ctrl-R, and the line is as it
    was before. On an empty line, Alt and a letter type the letter.
    """
    bindings = KeyBindings()

    def add(*keys: Keys | str, filter: Filter | None = None) -> Callable[[Callable[[], None]], None]:  # noqa: A002
        def bind(do: Callable[[], None]) -> None:
            where = _in_line & filter if filter is not None else _in_line
            bindings.add(*keys, filter=where, eager=keys[0] != Keys.Escape)(lambda _: do())

        return bind

    empty = Condition(lambda: not line.buffer.text)
    add("escape", "enter")(lambda: line.buffer.insert_text("\n"))
    add("c-c")(line.interrupt)
    add("c-d", filter=empty)(line.leave)
    add("c-x", "c-e")(line.open_editor)
    add("tab")(lambda: _complete(line))
    _add_character_keys(add, line)
    for number in range(1, 10):
        add("escape", str(number))(partial(line.switcher.open, number))
    for digit in "0123456789":
        add(digit, filter=vi_insert_mode | emacs_insert_mode)(partial(line.press, digit))
    for letter in _LETTERS:
        add("escape", letter, filter=emacs_insert_mode & empty)(partial(line.buffer.insert_text, letter))
    for sign in "/-0":  # in Emacs, these complete a word or begin a repeat count
        add("escape", sign, filter=emacs_insert_mode)(partial(line.buffer.insert_text, sign))
    for key, by in (("left", -1), ("up", -1), ("right", 1), ("down", 1)):
        add("escape", key)(partial(line.switcher.step, by))
    _add_event_keys(bindings, line)
    return bindings


def _add_character_keys(add: Callable[..., Callable[[Callable[[], None]], None]], line: InputLine) -> None:
    """Add keys that move over and delete whole characters, where prompt_toolkit's move by code points."""
    inserting = (vi_insert_mode | emacs_insert_mode) & ~has_selection
    before = Condition(lambda: joined_before(line.buffer) > 1) & inserting
    after = Condition(lambda: joined_after(line.buffer) > 1) & inserting
    for key in ("left", "c-b"):
        add(key, filter=before)(lambda: line.buffer.cursor_left(joined_before(line.buffer)))
    for key in ("right", "c-f"):
        add(key, filter=after)(lambda: line.buffer.cursor_right(joined_after(line.buffer)))
    add("c-h", filter=before)(lambda: _delete(line.buffer.delete_before_cursor, joined_before(line.buffer)))
    for key in ("delete", "c-d"):
        add(key, filter=after)(lambda: _delete(line.buffer.delete, joined_after(line.buffer)))


def _add_event_keys(bindings: KeyBindings, line: InputLine) -> None:
    menu = Condition(lambda: line.buffer.complete_state is not None)

    @bindings.add(Keys.BracketedPaste, filter=_in_line, eager=True)
    def _paste(event: KeyPressEvent) -> None:
        line.insert(event.data)

    @bindings.add("enter", filter=_in_line, eager=True)
    def _enter_key(event: KeyPressEvent) -> None:
        _enter(line, _following(event))

    @bindings.add("escape", filter=_in_line & menu, eager=True)
    def _close_menu(event: KeyPressEvent) -> None:
        line.buffer.cancel_completion()
        if event.key_processor.input_queue:  # Alt and a key
            event.key_processor.feed(event.key_sequence[0], first=True)

    @bindings.add("escape", filter=is_searching, eager=True)
    def _close_search(_: KeyPressEvent) -> None:
        stop_search()
        line.stop_browsing()


def _delete(delete: Callable[[int], str], count: int) -> None:
    delete(count)


def _following(event: KeyPressEvent) -> str:
    """Return the text that was read together with a key and follows it, without keys pressed with Alt."""
    text = ""
    before: Keys | str = ""
    for press in event.key_processor.input_queue:
        if press.key == Keys.ControlM:
            text += "\n"
        elif not isinstance(press.key, Keys) and before != Keys.Escape:
            text += press.key
        before = press.key
    return text


def _enter(line: InputLine, following: str) -> None:
    if line.is_pasted_with(following):
        line.break_pasted_line()
        return
    state = line.buffer.complete_state
    if state is not None and state.current_completion is not None:
        line.buffer.complete_state = None  # the chosen completion stays; the next Enter sends
        return
    line.enter()


def _complete(line: InputLine) -> None:
    buffer = line.buffer
    if buffer.complete_state is not None:
        buffer.complete_next()
        return
    found = list(buffer.completer.get_completions(buffer.document, CompleteEvent(completion_requested=True)))
    if len(found) == 1:
        buffer.apply_completion(found[0])
    elif found:
        buffer.start_completion()
