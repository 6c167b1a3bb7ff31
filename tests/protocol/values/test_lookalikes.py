"""Names that look the same have one look, and distinct names have others."""

from __future__ import annotations

import unicodedata

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from chatcli.errors import InputError
from chatcli.protocol.values.lookalikes import bare_look_of, check_new_name, look_of, looks_like_operator
from chatcli.protocol.values.names import RESERVED, check_name, check_room_name

SOFT_DOTTED = [chr(code) for code in range(0x110000) if regex.fullmatch(r"\p{Soft_Dotted}", chr(code))]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("lisa", "li\u0307sa"),
        ("lisa", "l\u0131\u0307sa"),
        ("lisa", "lıѕa"),
        ("jan", "j\u0307an"),
        ("íris", "i\u0307\u0301ris"),
        ("anna", "an\u0338na"),
        ("ŧhor", "t\u0335hor"),
        ("søren", "so\u0338ren"),
        ("søren", "so\u0337ren"),
        ("Søren", "SO\u0338REN"),
        ("łuk", "l\u0338uk"),
        ("jan", "ȷan"),
        ("ár", "a\u0301\u0301r"),
        ("ár", "á\u0301r"),
        ("ab", "a\u034fb"),
        ("क्ष", "क्\u200dष"),
        ("שלום", "שָׁלוֹם"),
        ("ëлка", "ёлка"),
        ("coco", "сосо"),
        ("alice", "ɑlice"),
        ("paypal", "раураӏ"),
        ("tom", "ТОМ"),
        ("Tom", "том"),
        ("Alice", "AIice"),
        ("bernie", "bemie"),
        ("lisa", "1isa"),
        ("bob", "b0b"),
        ("aether", "æther"),
        ("şerif", "șerif"),
        ("סס", "oo"),
    ],
)
def test_lookalikes(one: str, other: str) -> None:
    """Letters of other scripts, invisible marks, digits and pairs of letters have the look of what they imitate."""
    assert look_of(unicodedata.normalize("NFC", one)) == look_of(unicodedata.normalize("NFC", other))


@pytest.mark.parametrize("letter", SOFT_DOTTED, ids=lambda letter: f"U+{ord(letter):04X}")
def test_dots_over_dotted_letters(letter: str) -> None:
    """A dot over a letter that has one makes no other name, also with a mark below in between."""
    for marks in ("\u0307", "\u0323\u0307"):
        plain = marks.replace("\u0307", "")
        assert look_of(f"a{letter}{marks}b") == look_of(f"a{letter}{plain}b")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("zoe", "zoë"), ("soren", "søren"), ("soren", "so\u0338ren"), ("luk", "łuk"),
        ("ali", "all"), ("ALI", "all"), ("Ali", "All"),
        ("bob", "bob_"), ("bob", "bob2"), ("иван", "ивах"), ("たろう", "だろう"), ("दि", "दी"), ("김철수", "김철소"),
        ("李明", "李朋"), ("สมชาย", "สมชัย"), ("user11", "user12"), ("anna", "ana"),
    ],
)  # fmt: skip
def test_distinct_names(one: str, other: str) -> None:
    """Visible marks, and letters of their own, make another name."""
    assert look_of(one) != look_of(other)


@given(st.text(st.characters(categories=["L", "Nd", "Mn"]), min_size=1, max_size=8))
def test_spelling_does_not_matter(raw: str) -> None:
    """The composition of a name does not change its look, and most looks are ASCII."""
    for form in ("NFC", "NFD"):
        assert look_of(unicodedata.normalize(form, raw)) == look_of(raw)


@pytest.mark.parametrize(
    "raw",
    ["ɑll", "ԝһо", "һеӏр", "ѕегѵег", "ѕегvег", "а11", "a11", "wh0", "he1p", "хеlр", "mе", "ехіт", "quіt",
     "servᴇr", "sẹrver", "ṣerver", "sérver", "ϲhatcli", "chatcIi", "һеге", "hеrе", "уоս", "everуone", "rne", "WH0",
     "he\u0307lp", "hɇlp", "he\u0335lp", "ħelp", "ałł", "mé", "ꜱystem", "ｓerver"],
)  # fmt: skip
def test_lookalikes_of_reserved_words(raw: str) -> None:
    """A name that looks like a reserved word is refused, for that reason or for its mixture of scripts."""
    with pytest.raises(InputError):
        check_new_name(check_name(raw))


@pytest.mark.parametrize("raw", ["ali", "Ali", "ALI", "wood", "helen", "mel", "yuo", "allen", "whom", "qui", "Жанна"])
def test_near_misses_are_free(raw: str) -> None:
    """A name that only comes close to a reserved word is allowed."""
    check_new_name(check_name(raw))


@pytest.mark.parametrize(
    "raw",
    ["admin", "Admin", "ADMIN", "admin1", "the_admin", "theadmin", "adm1n", "chat-admin", "ChatAdmin", "r00t", "root2",
     "admins", "operator-2", "my.admin", "root~", "ａｄｍｉｎ", "Moderator", "sysadmin", "rööt"],
)  # fmt: skip
def test_operators(raw: str) -> None:
    """Such a name would make people believe that they talk with an operator."""
    assert looks_like_operator(check_name(raw))


@pytest.mark.parametrize("raw", ["ops", "badminton", "rooter", "proot", "groot", "admiral", "oper", "alice-ci", "Адам"])
def test_not_operators(raw: str) -> None:
    """A name that only contains the letters of such a word is free."""
    assert not looks_like_operator(check_name(raw))


def test_reserved_words() -> None:
    """A reserved word is its own look."""
    assert {bare_look_of(word) for word in RESERVED} == RESERVED


@pytest.mark.parametrize("raw", ["#all", "#help", "#ɑll"])
def test_room_names(raw: str) -> None:
    """No room name, which begins with #, is reserved."""
    assert check_room_name(raw).text == raw
