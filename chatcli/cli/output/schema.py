"""The record that each command prints with ``--json``, and the JSON Schema of all of them."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from chatcli.cli.output import admin_records, records
from chatcli.protocol.records import Heard, Message, NameChange

#: By the words of the command. A command with ``--json`` that is missing here fails a test.
PRINTED: Final[dict[str, type[msgspec.Struct]]] = {
    "send": records.Sent,
    "outbox": records.Waiting,
    "ask": records.Answer,
    "listen": Heard,
    "who": records.Person,
    "rooms": records.Room,
    "conversations": records.Conversation,
    "history": Message,
    "search": Message,
    "status": records.Status,
    "key show": records.OwnKey,
    "key link": records.LinkCode,
    "key list": records.Key,
    "key token": records.Token,
    "key tokens": records.TokenInfo,
    "bench": records.Measured,
    "admin status": admin_records.ServerStatus,
    "admin users": admin_records.User,
    "admin kick": admin_records.Kicked,
    "admin ban": admin_records.Banned,
    "admin unban": admin_records.Unbanned,
    "admin mute": admin_records.Muted,
    "admin unmute": admin_records.Unmuted,
    "admin op": admin_records.Operator,
    "admin deop": admin_records.NoOperator,
    "admin release": admin_records.Released,
    "admin link": admin_records.Recovery,
    "admin invite": admin_records.Invitation,
    "admin token": admin_records.ServiceToken,
    "admin tokens": admin_records.TokenOf,
    "admin revoke": admin_records.RevokedToken,
    "admin backup": admin_records.Backup,
    "admin restore": admin_records.Restored,
    "admin export": admin_records.Export,
    "admin import": admin_records.Import,
    "admin check": admin_records.Checked,
}

#: Further records of commands that print several kinds.
ALSO_PRINTED: Final[dict[str, type[msgspec.Struct]]] = {"listen": NameChange, "history": NameChange}

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """Return the JSON Schema: each record under ``$defs``, and a line of any command as one of them."""
    kinds = list(dict.fromkeys([*PRINTED.values(), *ALSO_PRINTED.values()]))
    _, parts = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    return {
        "$schema": _DIALECT,
        "title": "A line that chatcli prints with --json",
        "anyOf": [{"$ref": f"#/$defs/{record_name(kind)}"} for kind in kinds],
        "$defs": {_key(part): _renamed(parts[part]) for part in parts},
    }


def record_name(record: type[msgspec.Struct]) -> str:
    """Return the name of a record in the schema."""
    return _key(record.__name__)


def _key(class_name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", class_name).lower()


def _renamed(part: Any) -> Any:  # noqa: ANN401 (any part of a schema)
    """Return a part of the schema with the names of records, and without titles."""
    if isinstance(part, list):
        return [_renamed(one) for one in part]
    if not isinstance(part, dict):
        return part
    whole = {key: _renamed(value) for key, value in part.items() if key != "title"}
    if "$ref" in whole:
        whole["$ref"] = "#/$defs/" + _key(whole["$ref"].rpartition("/")[2])
    return whole
