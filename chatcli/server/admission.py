"""Who may come in, and under which name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatcli.errors import InputError, Refused
from chatcli.protocol import codes
from chatcli.protocol.frames import VERSION, Hello
from chatcli.protocol.names import Name, check_name

if TYPE_CHECKING:
    from chatcli.server.directory import Settled, User
    from chatcli.server.hub import Hub
    from chatcli.server.session import Session


def admit(hub: Hub, session: Session, hello: Hello, settled: Settled) -> User | None:
    """Give the session the user that its ``hello`` names; new ones are made known.

    Args:
        hub: the middle of the server.
        session: the one that said it.
        hello: what it said.
        settled: told later, once the name is on disk, unless it is already.

    Returns:
        The user, who is known if ``settling`` is None; nobody for a query.

    Raises:
        Refused: the name or the version is not to be had; the sentence says why.
    """
    if hello.version != VERSION:
        text = (
            f"This server speaks version {VERSION} of the protocol, not {hello.version}: use a chatcli that does too."
        )
        raise Refused(codes.UNSUPPORTED_VERSION, text)
    if hello.purpose == "query":
        return None
    try:
        name = check_name(hello.user)
    except InputError as error:
        raise Refused(codes.BAD_NAME, str(error)) from None
    user = hub.directory.claimed(name.key) or _create(hub, name)
    if hello.purpose == "join":
        if user.interactive is not None:
            raise Refused(codes.NAME_TAKEN, f"{user.name} is already in the chat: choose another name.")
        user.interactive = session
        user.since = hub.clock()
    if user.settling is not None:
        user.settling.append(settled)
    return user


def _create(hub: Hub, name: Name) -> User:
    record = hub.directory.create(name, hub.clock(), hub.log.head)
    hub.log.add_user(record)
    hub.turn.wake()
    return hub.directory.by_id(record.id)


def storage_refusal() -> Refused:
    """Return what someone new is told when their name cannot be written."""
    return Refused(codes.STORAGE, "The server cannot write its log, so nobody new can come in: tell its operator.")
