"""How texts are split into words, and search texts are parsed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.errors import InputError
from chatcli.store.search.tokenizer import flatten, parse, split


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, world!", "hello world"),
        ("don't e-mail foo_bar", "don t e mail foo bar"),
        ("Grüße ΣΊΣΥΦΟΣ Ёлка İstanbul", "grusse σισυφοσ елка istanbul"),
        ("ﬁne ＡＢＣ １２", "fine abc 12"),
        ("李明说", "李 明 说"),
        ("コーヒー ABC", "コ ー ヒ ー abc"),
        ("हिन्दी भाषा", "हिन्दी भाषा"),
        ("한국어 단어", "한국어 단어"),
        ("שָׁלוֹם مُحَمَّد", "שלום محمد"),
        ("👍🏽 ok", "👍 ok"),
        ("... \x00 ?!", ""),
    ],
)
def test_split(text: str, words: str) -> None:
    """Case, accents and width do not matter; in scripts without spaces each character is a word."""
    assert " ".join(split(text)) == words


@given(st.text())
def test_flatten_and_split_agree(text: str) -> None:
    """The index and the search see the same words."""
    assert split(flatten(text)) == split(text)


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("deploy", '"deploy"'),
        ("Deploy DONE", '"deploy" AND "done"'),
        ("dep*", '"dep" *'),
        ('"good morning" all', '"good morning" AND "all"'),
        ("“good morning”", '"good morning"'),
        ("e-mail", '"e mail"'),
        ("a OR NOT near(b)", '"a" AND "or" AND "not" AND "near b"'),
        ("text:x ^y -z", '"text x" AND "y" AND "z"'),
        ('x"y z"w', '"x" AND "y z" AND "w"'),
        ("中文*", '"中 文"'),
        ("hello !!!", '"hello"'),
        ('hello ""', '"hello"'),
    ],
)
def test_parse(text: str, expression: str) -> None:
    """Words, prefixes and phrases are understood; nothing else has a meaning for FTS5."""
    assert parse(text) == expression


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('"good morning', "A quotation mark is missing: a phrase has one at each end"),
        ('a " b', "A quotation mark is missing"),
        ("", "There is nothing to look for"),
        (" ?! ", "There is nothing to look for"),
        ('""', "There is nothing to look for"),
        ("*", "A \\* follows the beginning of a word"),
        ("hello *", "A \\* follows the beginning of a word"),
        ("h*", "A \\* follows at least 2 letters of a word"),
        ("x " * 33, "These are too many words: look for 32 at most"),
    ],
)
def test_parse_errors(text: str, sentence: str) -> None:
    """The sentence has an example."""
    with pytest.raises(InputError, match=sentence):
        parse(text)
