"""chatcli: a chat for people who live in terminals, over one durable log.

``docs/programs.md`` describes what programs can import from here. Importing the package costs nothing: each part is
imported on first use.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from chatcli.client.api.chat import Chat, connect, send
    from chatcli.client.api.types import Answer, Message, NameChange, Person, Room, Sent
    from chatcli.errors import (
        ChatError,
        InputError,
        ProtocolError,
        Refused,
        ServerNotTrusted,
        ServerUnavailable,
        ServerUnreachable,
        UnknownRecipient,
    )
else:
    _HOMES = {
        "chatcli.client.api.chat": ("Chat", "connect", "send"),
        "chatcli.client.api.types": ("Answer", "Message", "NameChange", "Person", "Room", "Sent"),
        "chatcli.errors": (
            "ChatError",
            "InputError",
            "ProtocolError",
            "Refused",
            "ServerNotTrusted",
            "ServerUnavailable",
            "ServerUnreachable",
            "UnknownRecipient",
        ),
    }

    def __getattr__(name: str) -> object:
        """Import a public name on first use."""
        for home, names in _HOMES.items():
            if name in names:
                import importlib  # noqa: PLC0415 (the package itself must cost nothing)

                value = globals()[name] = getattr(importlib.import_module(home), name)
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Answer",
    "Chat",
    "ChatError",
    "InputError",
    "Message",
    "NameChange",
    "Person",
    "ProtocolError",
    "Refused",
    "Room",
    "Sent",
    "ServerNotTrusted",
    "ServerUnavailable",
    "ServerUnreachable",
    "UnknownRecipient",
    "__version__",
    "connect",
    "send",
]
