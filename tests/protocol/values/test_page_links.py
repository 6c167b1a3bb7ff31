"""Links to the page: what a browser reads in them."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.protocol.values.address import Address
from chatcli.protocol.values.page_links import Fragment, page_url, parse_fragment
from tests.support import DEADLINE

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
fragments = st.builds(Fragment, _texts, _texts, _texts, _texts)

AWKWARD: Final = [
    Fragment(),
    Fragment(name="alice", link="bazu-kito-mafi"),
    Fragment(name="a+b c&d=e#f%20?", invite="/\\;:@"),
    Fragment(name="Äpfel", pin="SHA256:e7+/abc"),
    Fragment(name="李小龍", link="x"),
    Fragment(name="שלום", link="👩\u200d🚀"),
    Fragment(name="\x00\n\r\t\u2028\u202e"),
]

#: Prints the fields as the page reads them.
_PAGE: Final = """
const fragments = JSON.parse(require("fs").readFileSync(0, "utf-8"));
const read = hash => [...new URLSearchParams(new URL("https://chat.example/" + hash).hash.slice(1))];
console.log(JSON.stringify(fragments.map(read)));
"""


@given(fragments)
def test_round_trip(fragment: Fragment) -> None:
    """Links read back as they were made, and are ASCII that browsers and shells take literally."""
    text = str(fragment)
    assert text.isascii()
    assert all(char.isalnum() or char in "-._~%=&" for char in text)
    assert parse_fragment(text) == parse_fragment(f"#{text}") == fragment


@given(_texts)
def test_any_text_is_a_fragment(text: str) -> None:
    """Any fragment of an address can be read."""
    parse_fragment(text)


def test_foreign_fragments() -> None:
    """Fields of later versions are ignored, the last of several counts, and a plus is a space as in forms."""
    assert parse_fragment("#later=x&name=alice&name=bob&link") == Fragment(name="bob")
    assert parse_fragment("name=bob&name=") == Fragment()
    assert parse_fragment("name=a+b%2Bc&pin=%FF") == Fragment(name="a b+c", pin="\ufffd")


def test_in_a_browser() -> None:
    """The page's way of reading gives the fields back."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("this machine has no node")
    asked = json.dumps([f"#{fragment}" for fragment in AWKWARD])
    done = subprocess.run(
        [node, "-e", _PAGE], input=asked, capture_output=True, text=True, timeout=DEADLINE, check=True
    )
    read = [Fragment(**dict(pairs)) for pairs in json.loads(done.stdout)]
    assert read == AWKWARD


def test_url() -> None:
    """The page stands at the root of its address, whose path is kept."""
    fragment = Fragment(name="alice smith", link="bazu-kito-mafi")
    page = Address("::1", 8080, "http")
    assert page_url(page, fragment) == "http://[::1]:8080/#name=alice%20smith&link=bazu-kito-mafi"
    page = Address("chat.example", 443, "https", "/team")
    assert page_url(page, Fragment(invite="x")) == "https://chat.example/team/#invite=x"
