"""The keys that mean something beside what prompt_toolkit gives them."""

from __future__ import annotations

from collections.abc import Callable

from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.filters import Condition
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent


def key_bindings(leave: Callable[[], None]) -> KeyBindings:
    """Return the bindings.

    Ctrl-C clears the line, or leaves where it is empty, as Ctrl-D does there. Tab completes at once where there is one
    way to, so that an Enter right behind it takes the completed line.
    """
    bindings = KeyBindings()
    line_is_empty = Condition(lambda: not get_app().current_buffer.text)

    @bindings.add("c-c", filter=~line_is_empty, eager=True)
    def _clear(event: KeyPressEvent) -> None:
        event.current_buffer.reset()

    @bindings.add("tab", eager=True)
    def _complete(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state is not None:
            buffer.complete_next()
            return
        found = list(buffer.completer.get_completions(buffer.document, CompleteEvent(completion_requested=True)))
        if len(found) == 1:
            buffer.apply_completion(found[0])
        elif found:
            buffer.start_completion()

    @bindings.add("c-c", filter=line_is_empty, eager=True)
    @bindings.add("c-d", filter=line_is_empty, eager=True)
    def _leave(_event: KeyPressEvent) -> None:
        leave()

    return bindings
