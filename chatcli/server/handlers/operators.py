"""Operators of the server: their commands are recorded in the audit log and executed.

A command that changes something is answered once the change is on disk, and only then it affects those who are
connected. If the log cannot be written, the command is refused and nothing has happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol.admin import Request, Row
from chatcli.protocol.values.text import printable_line
from chatcli.server.handlers import operator_tokens
from chatcli.server.handlers.operator_commands import COMMANDS, Command
from chatcli.server.handlers.operator_reports import Reports

if TYPE_CHECKING:
    from chatcli.server.hub import Hub
    from chatcli.server.model import User
    from chatcli.server.security.audit import Audit

Answer = Callable[[list[Row] | Refused], None]

_IN_CHAT: Final = frozenset({"kick", "ban", "unban", "mute", "unmute"})
_UNRECORDED: Final = frozenset({"status"})  # executed even if the audit log cannot be written: needed on a full disk


def _ignore(_refusal: Refused | None) -> None:
    """Do nothing if a command could not be recorded."""


class Operators:
    """Executes commands.

    Args:
        hub: the hub.
        audit: records the commands.
        reports: answer the commands that change nothing.
    """

    def __init__(self, hub: Hub, audit: Audit, reports: Reports) -> None:
        self._hub = hub
        self._audit = audit
        self._addresses = reports.addresses
        self._commands: Mapping[str, Callable[[Command], None]] = {
            **COMMANDS,
            **operator_tokens.COMMANDS,
            "status": reports.status,
            "users": reports.users,
        }

    def execute(self, by: str, request: Request, answer: Answer) -> None:
        """Execute a command.

        Args:
            by: the operator.
            request: the command.
            answer: called once, now or later, with the rows of the answer or with a refusal.
        """
        execute = self._commands.get(request.do)
        if execute is None:
            answer(Refused(codes.UNKNOWN_TAG, f'There is no command "{printable_line(request.do)}".'))
            return

        def refuse(refusal: Refused) -> None:
            # If this cannot be recorded, the command was all the same, and the answer says that it was refused.
            self._audit.write(by, request, lambda _: answer(refusal), refusal.code)

        command = Command(hub=self._hub, request=request, addresses=self._addresses, answer=answer, refuse=refuse)

        def start(refusal: Refused | None = None) -> None:
            if refusal is not None:
                answer(refusal)
                return
            try:
                execute(command)
            except Refused as refused:
                refuse(refused)

        if request.do in _UNRECORDED:
            self._audit.write(by, request, _ignore)
            start()
        else:
            self._audit.write(by, request, start)

    def execute_from_chat(self, operator: User, request: Request, answer: Answer) -> None:
        """Execute a command that a user has given in the chat.

        Raises:
            Refused: the user is not an operator, or the command is wrong or not available in the chat.
        """
        if not self._hub.moderation.is_operator(operator):
            raise Refused(codes.NOT_ALLOWED, "Only operators may do that.")
        if request.do not in _IN_CHAT:
            text = f'"{request.do}" is not available in the chat: run "chatcli admin" on the server.'
            raise Refused(codes.NOT_ALLOWED, text)
        try:
            checked = msgspec.convert(msgspec.to_builtins(request), Request)
        except msgspec.ValidationError as error:
            raise Refused(codes.INVALID, f"That command is invalid: {error}.") from None
        self.execute(operator.name, checked, answer)

    def close(self) -> None:
        """Close the audit log."""
        self._audit.close()
