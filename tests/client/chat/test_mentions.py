"""Mentions in a text, in all scripts."""

from __future__ import annotations

import pytest

from chatcli.client.chat.recent import RecentMessages
from chatcli.protocol.frames import Message
from chatcli.protocol.values.mentions import has_word, mentions


@pytest.mark.parametrize(
    ("text", "user"),
    [
        *(
            ("太郎さんはいますか", "太郎"),
            ("@太郎さん いますか", "太郎"),
            ("ねえ@太郎さん", "太郎"),
            ("＠太郎", "太郎"),
        ),
        *(("ﾀﾛｳさん", "タロウ"), ("ＢＯＢ!", "bob"), ("bobさんは", "bob"), ("よBob", "bob"), ("bob은 어디", "bob")),
        *(("민수님 계세요", "민수"), ("สวัสดีสมชายครับ", "สมชาย"), ("ສົມໄຊບໍ່", "ສົມໄຊ"), ("သည်မောင်သည်", "မောင်")),
        *(("សុខាណា", "សុខា"), ("@太郎-san", "太郎"), ("STRASSE", "straße"), ("ask @alice", "alice"), ("@b x", "b")),
    ],
)
def test_name_as_a_word(text: str, user: str) -> None:
    """A name is found in any case and width, with and without @."""
    assert mentions(text, user)


@pytest.mark.parametrize(
    ("text", "user"),
    [
        *(("bobby", "bob"), ("@bobby", "bob"), ("kabob", "bob"), ("mail foo@bob", "bob"), ("bob-ci", "bob")),
        *(("a b", "b"), ("김민수님", "민수"), ("ｂｏｂｂｙ", "bob"), ("太", "太"), ("สมชายิ", "สมชาย"), ("b_ob", "ob")),
    ],
)
def test_name_within_a_word(text: str, user: str) -> None:
    """A name is not found within a word or a mail address; one letter needs an @."""
    assert not mentions(text, user)


def test_configured_words() -> None:
    """Configured words count like the name, in any case and in sequence; other names and rooms do not."""
    assert has_word("DEPLOY failed, prod db down", ["prod db"])
    assert has_word("本番デプロイした", ["デプロイ"])
    assert not has_word("redeployed", ["deploy"])
    told = [
        RecentMessages(("deploy",)).is_for(Message(1, "id", "bob", "#ops", text, 1), "alice")
        for text in ("deploy at noon", "redeployed", "alice?")
    ]
    assert told == [True, False, True]
