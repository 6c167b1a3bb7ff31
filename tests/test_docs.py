"""The documentation agrees with the code."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args

import msgspec
import pytest
from msgspec.structs import replace

from chatcli.cli.options.resolution import read_config_file
from chatcli.client.identity.key import Identity
from chatcli.protocol import codes
from chatcli.protocol.codec import client_frames, server_frames
from chatcli.protocol.frames import (
    ClientFrame,
    ConversationInfo,
    Happening,
    KeyInfo,
    Limits,
    Operation,
    Outcome,
    Person,
    Present,
    Purpose,
    ReadPosition,
    Renewal,
    RoomInfo,
    RoomKind,
    ServerFrame,
    UnreadCount,
    Where,
)
from chatcli.protocol.keys import Claim, key_bytes, key_text, origin_channel, signed_bytes
from tests.reference import ROOT, command_reference, json_page, json_schema, module_list, programs, settings

PROTOCOL: Final = (ROOT / "docs/protocol.md").read_text()


def section(title: str) -> str:
    """Return a part of ``docs/protocol.md``."""
    return PROTOCOL.split(f"\n## {title}\n")[1].split("\n## ")[0]


def described(title: str) -> dict[str, list[str]]:
    """Return the frames of a part of the page, and the fields of each."""
    frames = {}
    for part in section(title).split("\n### ")[1:]:
        tag = re.match(r"`(\w+)`", part)
        assert tag
        frames[tag[1]] = re.findall(r"^\| `(\w+)` \|", part, flags=re.MULTILINE)
    return frames


def declared(union: UnionType) -> dict[str, list[str]]:
    """Return the code's frames of one direction, and the fields of each."""
    frames = {}
    for frame in get_args(union):
        tag = msgspec.inspect.type_info(frame)
        assert isinstance(tag, msgspec.inspect.StructType)
        frames[str(tag.tag)] = [field.encode_name for field in tag.fields]
    return frames


@pytest.mark.parametrize(
    ("title", "union"), [("Frames from the client", ClientFrame), ("Frames from the server", ServerFrame)]
)
def test_protocol_frames(title: str, union: UnionType) -> None:
    """The protocol page has the code's frames and fields, in the same order."""
    assert described(title) == declared(union)


@pytest.mark.parametrize("struct", [Limits, Person, KeyInfo, RoomInfo, ReadPosition, UnreadCount, ConversationInfo])
def test_protocol_parts_of_frames(struct: type[msgspec.Struct]) -> None:
    """The protocol page describes all fields of the objects within frames."""
    for field in msgspec.structs.fields(struct):
        assert f"`{field.encode_name}`" in PROTOCOL


@pytest.mark.parametrize("words", [Purpose, Present, Outcome, RoomKind, Where, Operation, Happening, Renewal])
def test_protocol_words_of_fields(words: object) -> None:
    """The protocol page explains each word that a field may hold."""
    for word in get_args(words):
        assert f"`{word}`" in PROTOCOL


def test_protocol_codes() -> None:
    """The protocol page's table of codes has the code's codes and meanings."""
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", section("Codes"), flags=re.MULTILINE)
    assert rows == list(codes.MEANINGS.items())
    constants = {value for name, value in vars(codes).items() if name.isupper() and isinstance(value, str)}
    assert constants == set(codes.MEANINGS)


def test_protocol_examples_decode() -> None:
    """Each line of a dialogue is a frame of its direction."""
    lines = re.findall(r"^(>>|<<) (\{.*\})$", PROTOCOL, flags=re.MULTILINE)
    assert len(lines) > 10
    for arrow, line in lines:
        decoder: msgspec.json.Decoder[Any] = client_frames() if arrow == ">>" else server_frames()
        decoder.decode(line)


def test_protocol_proof() -> None:
    """The signed bytes and all signatures follow from the values beside them; the dialogue shows the same proof."""
    part = section("States of a connection").split("\n### A worked example\n")[1].split("\n### ")[0]
    given: dict[str, str] = dict(re.findall(r"^\| (.+?) \| `(.+)` \|$", part, flags=re.MULTILINE))
    identity = Identity(key_bytes(given["seed (the secret key)"], 32))
    nonce, channel = key_bytes(given["nonce"], 32), key_bytes(given["channel"], 32)
    claim = Claim(
        version=int(given["version"]),
        server_key=given["server's key"],
        nonce=nonce,
        user=given["name"],
        purpose=given["purpose"],
        channel=channel,
    )
    plain = signed_bytes(replace(claim, channel=b""))
    assert key_text(identity.public) == given["public key"]
    assert identity.fingerprint == given["fingerprint of it"]
    parts, instead = part.split("\nFor the third, ")
    assert bytes.fromhex("".join(re.findall(r"^[0-9a-f]{8} [0-9a-f]+$", parts, flags=re.MULTILINE))) == signed_bytes(
        claim
    )
    assert key_text(identity.sign(signed_bytes(claim))) == given["signature"]
    assert key_text(identity.sign(plain)) == given["signature on a plain connection"]
    of_origin = origin_channel(given["origin"])
    assert (
        key_text(identity.sign(signed_bytes(replace(claim, channel=of_origin)))) == given["signature for that origin"]
    )
    assert f"\n{len(of_origin):08x} {of_origin.hex()}\n" in instead
    for value in (given["public key"], given["nonce"], given["server's key"], given["signature"]):
        assert f'"{value}"' in section("Format")


def test_command_reference() -> None:
    """``docs/cli.md`` is up to date; ``python -m tests.reference`` makes it so."""
    assert (ROOT / "docs/cli.md").read_text() == command_reference()


def test_table_of_modules() -> None:
    """``docs/modules.md`` is up to date; ``python -m tests.reference`` makes it so."""
    page = (ROOT / "docs/modules.md").read_text()
    assert page == module_list(page)


@pytest.mark.parametrize("page", ["architecture", "contributing", "decisions", "protocol"])
def test_named_files_exist(page: str) -> None:
    """Each path on a page exists, from the top of the repository or from the package."""
    named = re.findall(r"`([a-z_]+/[a-z_/]+\.(?:py|md))`", (ROOT / f"docs/{page}.md").read_text())
    assert named
    assert [path for path in named if not (ROOT / path).exists() and not (ROOT / "chatcli" / path).exists()] == []


def test_reference_for_programs() -> None:
    """``docs/programs.md`` is up to date; ``python -m tests.reference`` makes it so."""
    page = (ROOT / "docs/programs.md").read_text()
    assert page == programs(page)


def test_table_of_settings() -> None:
    """``docs/settings.md`` is up to date; ``python -m tests.reference`` makes it so."""
    page = (ROOT / "docs/settings.md").read_text()
    assert page == settings(page)


def test_examples_of_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands accept each configuration file on the page."""
    examples = re.findall(
        r"^```toml\n(.*?)^```$", (ROOT / "docs/settings.md").read_text(), flags=re.MULTILINE | re.DOTALL
    )
    assert examples
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "chatcli").mkdir()
    for example in examples:
        (tmp_path / "chatcli/config.toml").write_text(example)
        assert read_config_file().exists


def test_dependencies() -> None:
    """``docs/dependencies.md`` gives the reason for each dependency, and lists no other."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    required = [*project["dependencies"], *(requirement for extra in extras for requirement in extra)]
    names = {re.split(r"[<>=; \[]", requirement)[0] for requirement in required}
    names |= json.loads((ROOT / ".ci/web/package.json").read_text())["devDependencies"].keys()
    page = (ROOT / "docs/dependencies.md").read_text()
    assert set(re.findall(r"^\| \[?`([\w-]+)`", page, flags=re.MULTILINE)) == names


def test_unrelated_package_of_our_name() -> None:
    """No page tells anyone to install chatcli from the package index, which has an unrelated program of that name."""
    for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]:
        assert not re.search(r"pip install (-\S+ )*chatcli\b", page.read_text()), page


def test_links_between_pages() -> None:
    """Each relative link on a page names an existing file."""
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_json_schema() -> None:
    """``docs/schema.json`` and ``docs/json.md`` are up to date; ``python -m tests.reference`` makes them so."""
    assert (ROOT / "docs/schema.json").read_text() == json_schema()
    page = (ROOT / "docs/json.md").read_text()
    assert page == json_page(page)


@pytest.mark.parametrize(
    "page", ["README.md", "CHANGELOG.md", *(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/*.md"))]
)
def test_no_conflict_markers(page: str) -> None:
    """No page contains git's conflict markers."""
    lines = (ROOT / page).read_text().splitlines()
    assert not [line for line in lines if line.startswith(("<<<<<<< ", ">>>>>>> "))]


def test_changelog() -> None:
    """No heading and no entry of the unreleased changes stands there twice, as after a merge of two branches."""
    unreleased = (ROOT / "CHANGELOG.md").read_text().split("\n## ")[1]
    beginnings = [line for line in unreleased.splitlines() if line.startswith(("### ", "- "))]
    assert sorted(beginnings) == sorted(set(beginnings))
