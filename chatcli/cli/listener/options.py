"""The options of ``chatcli listen``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from chatcli.client.feed.listener import Since


class ListenOptions(NamedTuple):
    """Which messages to listen for, until when, and what to do with them. Build it with keywords.

    Attributes:
        sources: people and rooms: all that one of these people says, or that is said in one of these rooms.
        senders: only messages from these people.
        places: only messages in these rooms, or from these people to the user alone.
        mentions: only messages for the user.
        since: where to begin; None for where the position is.
        limit: the number of messages to end after; None for no limit.
        timeout: seconds to end after; None for no limit.
        name: of a position on this machine; None for the user's on the server.
        exec_command: run for each message; None to print them.
        enter: enter the rooms that the user does not belong to.
        as_json: print records.
        mark_read: what was printed or handled counts as read.
        receipts: report to others what the user has read.
    """

    sources: tuple[str, ...]
    senders: tuple[str, ...]
    places: tuple[str, ...]
    mentions: bool
    since: Since
    limit: int | None
    timeout: int | None
    name: str | None
    exec_command: str | None
    enter: bool
    as_json: bool
    mark_read: bool
    receipts: bool

    @property
    def is_service(self) -> bool:
        """Whether the listener is to wait for a server that is not there yet."""
        return self.exec_command is not None or self.name is not None
