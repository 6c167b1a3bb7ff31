"""The keys that mean something beside what prompt_toolkit gives them."""

from __future__ import annotations

from collections.abc import Callable

from prompt_toolkit.application import get_app
from prompt_toolkit.filters import Condition
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent


def key_bindings(leave: Callable[[], None]) -> KeyBindings:
    """Return the bindings: Ctrl-C clears the line, or leaves where it is empty; so does Ctrl-D there."""
    bindings = KeyBindings()
    line_is_empty = Condition(lambda: not get_app().current_buffer.text)

    @bindings.add("c-c", filter=~line_is_empty, eager=True)
    def _clear(event: KeyPressEvent) -> None:
        event.current_buffer.reset()

    @bindings.add("c-c", filter=line_is_empty, eager=True)
    @bindings.add("c-d", filter=line_is_empty, eager=True)
    def _leave(_event: KeyPressEvent) -> None:
        leave()

    return bindings
