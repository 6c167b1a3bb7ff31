"""Claims: whether a client may have the name, and use the key, with which it says hello."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from chatcli.errors import InputError, Refused
from chatcli.protocol import codes
from chatcli.protocol.frames import VERSION, Hello
from chatcli.protocol.keys import (
    NONCE_BYTES,
    PUBLIC_KEY_BYTES,
    key_bytes,
    origin_channel,
)
from chatcli.protocol.values.lookalikes import check_new_name, looks_like_operator
from chatcli.protocol.values.names import Name, check_name
from chatcli.protocol.values.text import command_line, printable_line
from chatcli.server.handlers.free_names import next_free_name
from chatcli.server.refusals import unknown_user

if TYPE_CHECKING:
    from chatcli.server.hub import Hub
    from chatcli.server.model import Connection, User


class Claimant(NamedTuple):
    """A client that has claimed a name and a key, and has yet to prove the key."""

    hello: Hello
    name: Name
    key: bytes
    nonce: bytes


def challenge(hub: Hub, session: Connection, hello: Hello) -> Claimant | None:
    """Check a ``hello``; return the claim that the client has to prove, or None for a nameless query.

    Raises:
        Refused: the version is not supported, or the client may not have the name or use the key.
    """
    check_version(hello)
    check_origin(session, hello)
    if hello.purpose == "query" and not hello.user:
        if hub.limits.access == "open":
            return None
        raise Refused(codes.KEY_REQUIRED, "This server answers only those it knows: say who you are with --user.")
    if channel_of(session, hello) is None:
        text = "Here TLS does not reach from end to end, so no key can be proved: use a tunnel, TLS, or a token."
        raise Refused(codes.TLS_REQUIRED, text)
    hub.rate_limits.check_failures(session.caller)
    name, key = _name(hello), _key(hello)
    check_claim(hub, session, Claimant(hello, name, key, b""), proven=False)
    return Claimant(hello, name, key, secrets.token_bytes(NONCE_BYTES))


def check_version(hello: Hello) -> None:
    """Raise unless the server speaks the client's version of the protocol.

    Raises:
        Refused: it does not.
    """
    if hello.version != VERSION:
        text = (
            f"This server speaks version {VERSION} of the protocol, not {hello.version}: use a chatcli that does too."
        )
        raise Refused(codes.UNSUPPORTED_VERSION, text)


def check_origin(session: Connection, hello: Hello) -> None:
    """Raise if a ``hello`` is said to come from a page which is none of this server's.

    Raises:
        Refused: it is.
    """
    if not hello.origin:
        return
    if session.owns_page is None:
        text = "Only a page in a browser has an origin, in text messages of a WebSocket: say hello without one."
        raise Refused(codes.BAD_ORIGIN, text)
    if not session.owns_page(hello.origin):
        text = (
            f"This server has no pages at {printable_line(hello.origin)}, as far as it knows: if that is one of its "
            'names, have its operator add it with "chatcli serve --web-name NAME".'
        )
        raise Refused(codes.BAD_ORIGIN, text)


def channel_of(session: Connection, hello: Hello) -> bytes | None:
    """Return the channel that the proof of a key is bound to; None where no key can be proved."""
    return origin_channel(hello.origin) if hello.origin else session.channel


def _name(hello: Hello) -> Name:
    try:
        return check_name(hello.user)
    except InputError as error:
        raise Refused(codes.BAD_NAME, str(error)) from None


def _check_new(name: Name) -> None:
    try:
        check_new_name(name)
    except InputError as error:
        raise Refused(codes.BAD_NAME, str(error)) from None


def _key(hello: Hello) -> bytes:
    try:
        return key_bytes(hello.key, PUBLIC_KEY_BYTES)
    except ValueError:
        text = "A name belongs to a key: say hello with an Ed25519 public key, 32 bytes in base64."
        raise Refused(codes.KEY_REQUIRED, text) from None


def check_claim(hub: Hub, session: Connection, claimant: Claimant, *, proven: bool) -> User | None:
    """Return the user of that name, or None if it is free.

    Args:
        hub: the hub.
        session: the connection.
        claimant: the claim.
        proven: whether the key is proved; only then a ban is revealed.

    Raises:
        Refused: the name belongs to another key, is banned, or may not be taken.
    """
    hello, name, key, _ = claimant
    if proven:
        hub.moderation.check_ban(name, key)
    user = hub.users.by_key(name.key)
    if user is None:
        _check_free(hub, session, claimant)
    elif not user.owned and hub.moderation.get("service", user.key) is not None:
        _check_service(hub, session, user, claimant)
    elif hello.purpose == "query" and not user.owned:
        raise Refused(codes.NAME_TAKEN, f"{user.name} belongs to no key yet: join once to make it yours.")
    elif not user.owned:  # as it was imported
        _check_operator(hub, name, hello.link)
    elif not user.has(key) and not user.is_adding(key) and not hello.link:
        free = _free_names(hub, session, claimant)
        text = (
            f"{user.name} belongs to another key: choose another name{_such_as(free)}, or, if it is yours, "
            f'run "chatcli key link" where you are {user.name} already and join here with --link and its code. '
            f"If that key is lost, an operator of the server can make a code ({_link_command(user.name)})."
        )
        raise Refused(codes.NAME_TAKEN, text, names=free)
    return user


def _free_names(hub: Hub, session: Connection, claimant: Claimant) -> list[str]:
    """Return the name to suggest in place of one that is taken, to those only who could have it."""
    hello, name, _, _ = claimant
    if hello.purpose == "query" or not _is_invited(hub, session, hello):
        return []
    free = next_free_name(hub, name)
    return [free] if free else []


def _such_as(names: list[str]) -> str:
    return f", such as {names[0]}" if names else ""


def _is_invited(hub: Hub, session: Connection, hello: Hello) -> bool:
    """Return whether a client may have a name that is free, as far as that needs an invitation."""
    if hub.limits.access == "open" or hub.moderation.is_invitation(hello.invite):
        return True
    if hello.invite:
        hub.rate_limits.record_failure(session.caller)  # codes must not be guessed without end, either
    return False


def _check_free(hub: Hub, session: Connection, claimant: Claimant) -> None:
    """Raise unless a client may have a name that is free.

    Raises:
        Refused: the name may not be taken.
    """
    hello, name, _, _ = claimant
    if hello.purpose == "query" or (hello.link and hub.recoveries.find(name.key, hello.link) is None):
        raise unknown_user(name.text, advice="check the spelling.")
    _check_new(name)
    _check_operator(hub, name, hello.link)
    other = hub.users.lookalike(name)
    if other is not None:
        raise Refused(codes.BAD_NAME, f"The name {name.text} looks like {other.name}, the name of someone else.")
    if not _is_invited(hub, session, hello):
        hub.moderation.check_invitation(hello.invite)


def _check_operator(hub: Hub, name: Name, code: str) -> None:
    """Raise if a name without an owner is for operators, unless an operator has given a code for it.

    Raises:
        Refused: it is.
    """
    if looks_like_operator(name) and (not code or hub.recoveries.find(name.key, code) is None):
        text = (
            f"The name {name.text} is for the operators of this server: choose another one. "
            f"The one who runs it can let you have it ({_link_command(name.text)})."
        )
        raise Refused(codes.BAD_NAME, text)


def _check_service(hub: Hub, session: Connection, user: User, claimant: Claimant) -> None:
    """Raise unless a client has an operator's code for a name that was made for programs.

    Raises:
        Refused: it has none.
    """
    hello = claimant.hello
    if hub.recoveries.find(user.key, hello.link) is not None:
        return
    if hello.link:
        hub.rate_limits.record_failure(session.caller)
    free = _free_names(hub, session, claimant)
    text = (
        f"{user.name} is a name for programs, which belongs to no key: choose another name{_such_as(free)}. "
        f"An operator of the server can let you have it: {_link_command(user.name)}"
    )
    raise Refused(codes.NAME_TAKEN, text, names=free)


def _link_command(name: str) -> str:
    """Return the command with which an operator makes a code for a name."""
    return command_line("chatcli", "admin", "link", name).strip()
