"""What one may be called, and when two names are the same."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from precis_i18n import get_profile

from chatcli.errors import InputError
from chatcli.protocol.names import MAX_NAME, RESERVED, check_name


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
def test_names_of_many_scripts_are_taken_as_they_are_written(raw: str) -> None:
    """A name in any script in common use, with digits and ASCII punctuation, keeps its spelling."""
    assert check_name(raw).text == raw


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=MAX_NAME))
def test_printable_ascii_is_what_precis_makes_of_it(raw: str) -> None:
    """Most names never see PRECIS: it would leave them as they are, and compare them in lower case."""
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
def test_names_compare_without_regard_to_case_width_and_composition(one: str, other: str) -> None:
    """Two ways to write one name have the same key."""
    assert check_name(one).key == check_name(other).key


@pytest.mark.parametrize(("one", "other"), [("zoe", "zoë"), ("ı", "i"), ("bob", "bob_")])
def test_names_that_people_tell_apart_are_different(one: str, other: str) -> None:
    """Marks and letters of their own make another name."""
    assert check_name(one).key != check_name(other).key


def test_a_name_keeps_its_capitals() -> None:
    """The key is folded; what is shown is as it was written."""
    assert check_name("McCoy") == ("McCoy", "mccoy")


def test_a_wide_name_is_shown_in_its_usual_width() -> None:
    """Full-width letters are written as the letters that they are."""
    assert check_name("Ｂｏｂ").text == "Bob"


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_words_with_a_meaning_are_reserved(word: str) -> None:
    """A word that means something where a name could stand is no name, whatever its case and width."""
    wide = "".join(chr(ord(char) + 0xFEE0) for char in word)
    for spelling in (word, word.upper(), word.title(), wide):
        assert "is reserved" in refusal(spelling)


def test_commands_are_reserved() -> None:
    """Nobody can be called like a command."""
    assert {"server", "who", "exit", "quit", "help"} <= RESERVED


@pytest.mark.parametrize(
    ("char", "described"), [(":", "a colon"), ("#", "#"), ("@", "@"), (",", "a comma"), ("：", "a colon"), ("＠", "@")]
)
@pytest.mark.parametrize("form", ["{}", "{}bob", "bo{}b", "bob{}"])
def test_characters_of_the_grammar_never_occur_in_a_name(form: str, char: str, described: str) -> None:
    """A colon, #, @ and a comma are refused by name, wherever they stand and however wide they are."""
    assert f"cannot contain {described}" in refusal(form.format(char))


@pytest.mark.parametrize("space", [" ", "\t", "\n", "\u00a0", "\u2003", "\u3000", "\u2028"])
def test_space_never_occurs_in_a_name(space: str) -> None:
    """White space of any kind is refused as such."""
    assert "no spaces" in refusal(f"a{space}b")


@pytest.mark.parametrize(("one", "other"), [("strasse", "straße"), ("ΟΔΟΣ", "οδος"), ("οδοσ", "οδος")])
def test_forms_of_one_letter_make_no_other_name(one: str, other: str) -> None:
    """Where only the form of a letter differs, nobody can pass for another."""
    assert check_name(one).key == check_name(other).key


def test_a_name_does_not_attach_to_what_stands_before_it() -> None:
    """A combining mark cannot come first."""
    assert "begins with a letter" in refusal("\u0301bob")


@pytest.mark.parametrize("first", ["-", "/"])
def test_a_name_does_not_look_like_an_option_or_a_command(first: str) -> None:
    """A name cannot begin with a hyphen or a slash; within a name both may stand."""
    assert f'"{first}bob" does not' in refusal(f"{first}bob")
    assert check_name(f"bob{first}").text == f"bob{first}"


@pytest.mark.parametrize("letter", ["x", "é", "李", "Ж"])
def test_a_name_has_so_many_characters_and_no_more(letter: str) -> None:
    """The limit counts characters, whatever their size, and the refusal names it."""
    assert check_name(letter * MAX_NAME).text == letter * MAX_NAME
    assert refusal(letter * (MAX_NAME + 1)) == "A name has 32 characters at most; this one has 33."


def test_a_name_is_not_empty() -> None:
    """No name at all is refused with a sentence of its own."""
    assert refusal("") == "A name cannot be empty."


@pytest.mark.parametrize("raw", ["bоb", "аlice", "Ωmega", "aا", "李bob", "たБ", "ᚠᚢᚦ", "ᏣᎳᎩ"])
def test_scripts_are_not_mixed(raw: str) -> None:
    """A Cyrillic о among Latin letters is refused, and so is a script that hardly anyone could tell apart."""
    assert "scripts" in refusal(raw) or "right-to-left" in refusal(raw)


@pytest.mark.parametrize("raw", ["דוד1b", "abcא", "٣bob"])
def test_directions_are_not_mixed(raw: str) -> None:
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
def test_what_is_no_letter_is_named(raw: str, shown: str) -> None:
    """A symbol is shown as itself, what cannot be seen by its code point."""
    assert refusal(raw) == f"A name is made of letters, digits and ASCII punctuation; {shown} is none of these."


_pieces = st.sampled_from("aBéßİΣςЖжא٣李たｱｂ'-/:#@, \t\x1b\x85\x9b\u202e\u200d\u0301\ud800👩")


@given(st.text(st.characters(codec=None) | _pieces, max_size=40))
@example("\x1b[2J bob")
@example("a\x1b:b")
def test_a_name_is_taken_whole_or_refused_with_a_harmless_sentence(raw: str) -> None:
    """Whatever is given, a taken name obeys the rules, and a refusal has no control character in it."""
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
def test_a_name_stays_the_same_name(raw: str) -> None:
    """Whoever comes back with their name as it was shown to them is the same person."""
    try:
        name = check_name(raw)
    except InputError:
        return
    assert check_name(name.text) == name
