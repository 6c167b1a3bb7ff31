"""Valid names, and equality of names."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from precis_i18n import get_profile

from chatcli.errors import InputError
from chatcli.protocol.values.names import MAX_NAME, RESERVED, check_name


def refusal(raw: str) -> str:
    """Return the sentence with which a name is refused."""
    with pytest.raises(InputError) as caught:
        check_name(raw)
    return str(caught.value)


@pytest.mark.parametrize(
    "raw",
    [
        "bob",
        "R2-D2",
        "_bot_",
        "o'brien",
        "a/b",
        "7",
        "Zoë",
        "straße",
        "Ελένη",
        "Жанна",
        "Բարեւ",
        "გიორგი",
        "דוד",
        "عمر",
        "नमस्ते",
        "สมชาย",
        "ሰላም",
        "李明",
        "タロウ田中",
        "たろう",
        "김철수",
    ],
)
def test_scripts(raw: str) -> None:
    """A name in any script in common use, with digits and ASCII punctuation, keeps its spelling."""
    assert check_name(raw).text == raw


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=MAX_NAME))
def test_ascii_is_what_precis_makes(raw: str) -> None:
    """Printable ASCII, which skips PRECIS, is what PRECIS would leave unchanged and compare in lower case."""
    assert get_profile("UsernameCasePreserved").enforce(raw) == raw
    assert get_profile("UsernameCaseMapped").enforce(raw) == raw.lower()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Bob", "bOB"),
        ("ZOË", "zoë"),
        ("ЖАННА", "жанна"),
        ("Ελένη", "ελένη"),
        ("ẞ", "ß"),
        ("e\u0301va", "Éva"),
        ("ｂｏｂ", "bob"),
        ("ｱﾝ", "アン"),
    ],
)
def test_same_key(one: str, other: str) -> None:
    """Names that differ in case, width or composition have the same key."""
    assert check_name(one).key == check_name(other).key


@pytest.mark.parametrize(("one", "other"), [("zoe", "zoë"), ("ı", "i"), ("bob", "bob_")])
def test_distinct_keys(one: str, other: str) -> None:
    """Names that differ in marks or in letters have different keys."""
    assert check_name(one).key != check_name(other).key


def test_capitals_are_kept() -> None:
    """The key is case-folded; the name is shown as it was written."""
    assert check_name("McCoy") == ("McCoy", "mccoy")


def test_width() -> None:
    """Full-width letters are written in their usual width."""
    assert check_name("Ｂｏｂ").text == "Bob"


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_reserved_words(word: str) -> None:
    """A word with a meaning where a name could be is reserved, in any case and width."""
    wide = "".join(chr(ord(char) + 0xFEE0) for char in word)
    for spelling in (word, word.upper(), word.title(), wide):
        assert "is reserved" in refusal(spelling)


def test_commands_are_reserved() -> None:
    """No name is that of a command."""
    assert {"server", "who", "exit", "quit", "help"} <= RESERVED


@pytest.mark.parametrize(
    ("char", "described"), [(":", "a colon"), ("#", "#"), ("@", "@"), (",", "a comma"), ("：", "a colon"), ("＠", "@")]
)
@pytest.mark.parametrize("form", ["{}", "{}bob", "bo{}b", "bob{}"])
def test_grammar_characters(form: str, char: str, described: str) -> None:
    """A colon, #, @ and a comma are refused by name, in any place and width."""
    assert f"cannot contain {described}" in refusal(form.format(char))


@pytest.mark.parametrize("space", [" ", "\t", "\n", "\u00a0", "\u2003", "\u3000", "\u2028"])
def test_space(space: str) -> None:
    """White space of any kind is refused as such."""
    assert "no spaces" in refusal(f"a{space}b")


@pytest.mark.parametrize(("one", "other"), [("strasse", "straße"), ("ΟΔΟΣ", "οδος"), ("οδοσ", "οδος")])
def test_forms_of_a_letter(one: str, other: str) -> None:
    """Names that differ only in the form of a letter have the same key."""
    assert check_name(one).key == check_name(other).key


def test_combining_mark_first() -> None:
    """A name cannot begin with a combining mark."""
    assert "begins with a letter" in refusal("\u0301bob")


@pytest.mark.parametrize("first", ["-", "/"])
def test_hyphen_or_slash_first(first: str) -> None:
    """A name cannot begin with a hyphen or a slash; later in the name both are allowed."""
    assert f'"{first}bob" does not' in refusal(f"{first}bob")
    assert check_name(f"bob{first}").text == f"bob{first}"


@pytest.mark.parametrize("letter", ["x", "é", "李", "Ж"])
def test_longest_name(letter: str) -> None:
    """The limit counts characters, whatever their size, and the refusal names it."""
    assert check_name(letter * MAX_NAME).text == letter * MAX_NAME
    assert refusal(letter * (MAX_NAME + 1)) == "A name has 32 characters at most; this one has 33."


def test_empty_name() -> None:
    """An empty name is refused with a sentence of its own."""
    assert refusal("") == "A name cannot be empty."


@pytest.mark.parametrize("raw", ["bоb", "аlice", "Ωmega", "aا", "李bob", "たБ", "ᚠᚢᚦ", "ᏣᎳᎩ"])
def test_mixed_scripts(raw: str) -> None:
    """A Cyrillic о among Latin letters is refused, and so is a script whose letters are hard to distinguish."""
    assert "scripts" in refusal(raw) or "right-to-left" in refusal(raw)


@pytest.mark.parametrize("raw", ["דוד1b", "abcא", "٣bob"])
def test_mixed_directions(raw: str) -> None:
    """A name runs in one direction."""
    assert "mixes left-to-right and right-to-left writing" in refusal(raw)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31m", "U+001B"),
        ("a\x00", "U+0000"),
        ("a\x7f", "U+007F"),
        ("a\x9b2J", "U+009B"),
        ("a\u202eb", "U+202E"),
        ("a\u200db", "U+200D"),
        ("\ufeffbob", "U+FEFF"),
        ("a\xad", "U+00AD"),
        ("\ud800", "U+D800"),
        ("bob☃", '"☃"'),
        ("👩", '"👩"'),
        ("ﬁona", '"ﬁ"'),
        ("½", '"½"'),
    ],
)
def test_symbols(raw: str, shown: str) -> None:
    """The refusal shows a symbol as itself, and an invisible character by its code point."""
    assert refusal(raw) == f"A name is made of letters, digits and ASCII punctuation; {shown} is none of these."


_pieces = st.sampled_from("aBéßİΣςЖжא٣李たｱｂ'-/:#@, \t\x1b\x85\x9b\u202e\u200d\u0301\ud800👩")


@given(st.text(st.characters(codec=None) | _pieces, max_size=40))
@example("\x1b[2J bob")
@example("a\x1b:b")
def test_any_name(raw: str) -> None:
    """An accepted name obeys the rules, and a refusal has no control character."""
    try:
        name = check_name(raw)
    except InputError as error:
        shown = str(error)
    else:
        shown = name.text + name.key
        assert 0 < len(name.text) <= MAX_NAME
        assert not set(":#@,") & set(name.text)
        assert not any(char.isspace() for char in name.text)
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in shown)


@given(st.text(st.characters(categories=["L", "Nd", "Mn"]) | _pieces, min_size=1, max_size=8))
def test_accepted_name_is_stable(raw: str) -> None:
    """A name reads back from its shown form as the same name."""
    try:
        name = check_name(raw)
    except InputError:
        return
    assert check_name(name.text) == name
