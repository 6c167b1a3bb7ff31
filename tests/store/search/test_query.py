"""The search, as every store must do it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chatcli.errors import ChatError, InputError, StoreError
from chatcli.store import log_reader
from chatcli.store.queries import Page, SearchQuery
from chatcli.store.records import Enter, Leave, RoomRecord, UserRecord
from chatcli.store.search import query as search
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, CID, LOBBY, OPS, PEOPLE, ROOMS, claim, empty, entry, row


def test_empty_log(house: Owner) -> None:
    """Nothing is found."""
    assert house.find(ANN.id, "hello", LOBBY.id) == []


def test_committed_messages(house: Owner) -> None:
    """They are found at once, the newest first."""
    for number in range(30):
        said = entry(ANN, LOBBY, f"Build {number} done")
        house.write(said)
        newest = house.search(SearchQuery(user=BOB.id, words="build", rooms=[LOBBY.id], limit=3)).rows
        assert newest[0] == row(said)
    assert [row.text for row in newest] == ["Build 29 done", "Build 28 done", "Build 27 done"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("deploy", ["the DEPLOY failed", "deploy now"]),
        ("deploy failed", ["the DEPLOY failed"]),
        ("dep*", ["the DEPLOY failed", "they depend on it", "deploy now"]),
        ('"deploy now"', ["deploy now"]),
        ('"now deploy"', []),
        ("cafe", ["au Café"]),
        ("CAFÉ", ["au Café"]),
        ("说你", ["李明说你好"]),
        ("你说", []),
        ("it's", ["it's"]),
        ("AND", []),
        ("nobody", []),
    ],
)
def test_words_prefixes_and_phrases(house: Owner, words: str, found: list[str]) -> None:
    """All of them must match; case and accents do not matter."""
    texts = ["deploy now", "they depend on it", "the DEPLOY failed", "au Café", "李明说你好", "it's"]
    house.write(*(entry(ANN, BOB, text) for text in texts))
    assert house.find(BOB.id, words) == found


def test_malformed_words(house: Owner) -> None:
    """The error says that the input is wrong."""
    answer = house.ask(SearchQuery(user=ANN.id, words='"half', rooms=[], limit=10))
    assert isinstance(answer, InputError)
    assert str(answer).startswith("A quotation mark is missing")


def test_permissions(house: Owner) -> None:
    """A user finds their own conversations, open rooms, and their rooms while they were a member."""
    house.write_all(
        *(entry(ANN, BOB, "word to Bob"), entry(CID, ANN, "word to Ann"), entry(ANN, ANN, "word to myself")),
        *(entry(ANN, LOBBY, "word to all"), entry(ANN, OPS, "word before"), Enter(BOB.id, OPS.id)),
        *(entry(ANN, OPS, "word to ops"), Leave(BOB.id, OPS.id), entry(ANN, OPS, "word after")),
    )
    assert house.find(BOB.id, "word", LOBBY.id) == ["word to ops", "word to all", "word to Bob"]
    assert house.find(CID.id, "word", LOBBY.id) == ["word to all", "word to Ann"]
    assert house.find(CID.id, "word") == ["word to Ann"]
    assert house.find(99, "word") == []


def test_narrowed_search(house: Owner) -> None:
    """To a conversation, a sender, or messages before another."""
    said = [
        entry(ANN, BOB, "word 1"),
        entry(BOB, LOBBY, "word 2"),
        entry(ANN, LOBBY, "word 3"),
        entry(BOB, ANN, "word 4"),
    ]
    house.write(*said, entry(CID, OPS, "word 5"))
    whole = SearchQuery(user=BOB.id, words="word", rooms=[LOBBY.id], limit=10)

    def find(query: SearchQuery) -> list[str]:
        return [row.text for row in house.search(query).rows]

    assert find(whole) == ["word 4", "word 3", "word 2", "word 1"]
    assert find(replace(whole, within=LOBBY.id)) == ["word 3", "word 2"]
    assert find(replace(whole, within=ANN.id)) == ["word 4", "word 1"]
    assert find(replace(whole, within=CID.id)) == []
    assert find(replace(whole, within=OPS.id)) == []
    assert find(replace(whole, sender=ANN.id)) == ["word 3", "word 1"]
    assert find(replace(whole, sender=ANN.id, within=LOBBY.id)) == ["word 3"]
    assert find(replace(whole, before=said[2].seq)) == ["word 2", "word 1"]


def test_pages(house: Owner) -> None:
    """A page has the number of rows of the query, and says whether it is the last."""
    house.write(*(entry(ANN, LOBBY, f"word {number}") for number in range(5)))
    query = SearchQuery(user=BOB.id, words="word", rooms=[LOBBY.id], limit=3)
    page = house.search(query)
    assert ([row.text for row in page.rows], page.more) == (["word 4", "word 3", "word 2"], True)
    page = house.search(replace(query, before=page.rows[-1].seq))
    assert ([row.text for row in page.rows], page.more) == (["word 1", "word 0"], False)


def test_few_among_many(house: Owner) -> None:
    """Thousands of newer matches that the user may not read do not hide older ones."""
    house.write(entry(ANN, BOB, "a needle"), *(entry(CID, CID, "a needle") for _ in range(2500)))
    assert house.find(BOB.id, "needle") == ["a needle"]
    assert house.find(BOB.id, "needle", OPS.id) == ["a needle"]


def test_many_conversations(house: Owner) -> None:
    """All of a user's conversations are searched, and no others."""
    house.write(entry(ANN, BOB, "a needle"), *(entry(ANN, 1000 + number) for number in range(400)))
    house.write(*(entry(CID, CID, "a needle") for _ in range(2500)))
    assert house.find(ANN.id, "needle") == ["a needle"]


def test_restart(house: Owner) -> None:
    """Messages from before are found, indexed or not."""
    house.write(entry(ANN, BOB, "one word"))
    assert house.find(BOB.id, "word") == ["one word"]
    house.log.append_message(entry(ANN, BOB, "last word"))
    house.reopen()
    assert house.find(BOB.id, "word") == ["last word", "one word"]


def test_closing_log(house: Owner) -> None:
    """Every search gets a result or an error, and closing waits for none."""
    house.write(*(entry(ANN, BOB, "word") for _ in range(20_000)))
    answers: list[Page | ChatError | None] = []
    query = SearchQuery(user=BOB.id, words="word", rooms=[], limit=10)
    for _ in range(10):
        house.log.read(query, lambda page, error: answers.append(page or error))
    house.log.close()
    house.log.read(query, lambda page, error: answers.append(page or error))
    house.run_until(lambda: len(answers) == 11)
    assert isinstance(answers[-1], StoreError)


def test_index_words_for_users_and_rooms(house: Owner) -> None:
    """They are found neither as words nor by a prefix."""
    house.write(entry(ANN, LOBBY, "hi"), entry(BOB, ANN, "hi"))
    for words in ("1", "2", "12*", "\U00010003", "\U00010005"):
        assert house.find(ANN.id, words, LOBBY.id) == []


alphabet = st.sampled_from(["red", "Green", "blue", "gre", "bluebell", "red-green"])
messages = st.lists(
    st.tuples(
        st.sampled_from(PEOPLE),
        st.sampled_from([*PEOPLE, *ROOMS]),
        st.lists(alphabet, min_size=1, max_size=3).map(" ".join),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(said=messages, word=alphabet, within=st.sampled_from([None, ANN.id, LOBBY.id]), limit=st.integers(1, 30))
def test_random_searches(
    tmp_path_factory: pytest.TempPathFactory,
    said: list[tuple[UserRecord, UserRecord | RoomRecord, str]],
    word: str,
    within: int | None,
    limit: int,
) -> None:
    """They find the same as a look at all messages."""
    from tests.store.conftest import open_sqlite

    folder = tmp_path_factory.mktemp("search")
    owner = Owner(lambda post, committed: open_sqlite(folder, post, committed))
    entries = [entry(*what) for what in said]
    owner.write_all(*map(claim, PEOPLE), *empty(*ROOMS), *entries)
    wanted = f" {' '.join(word.lower().split('-'))} "
    expected = [
        row(one)
        for one in reversed(entries)
        if wanted in f" {one.text.lower().replace('-', ' ')} "
        and (BOB.id in (one.sender, one.recipient) or one.recipient == LOBBY.id)
        and one.recipient != OPS.id
        and (within is None or one.recipient == within or (one.sender == within and one.recipient == BOB.id))
    ]
    if within == ANN.id:
        expected = [one for one in expected if {one.sender, one.recipient} == {ANN.id, BOB.id}]
    page = owner.search(SearchQuery(user=BOB.id, words=word, rooms=[LOBBY.id], limit=limit, within=within))
    owner.log.close()
    assert page.rows == expected[:limit]
    assert page.more == (len(expected) > limit)


def test_maximum_of_waiting_searches(chat: Owner) -> None:
    """More are refused; those of other users, and those that wait, are answered."""
    chat.write(entry(ANN, BOB, "one word"))
    answers: list[object] = []
    query = SearchQuery(user=BOB.id, words="word", rooms=[], limit=10)
    others: list[object] = []
    for _ in range(100):
        chat.log.read(query, lambda page, error: answers.append(page or error))
    chat.log.read(replace(query, user=ANN.id), lambda page, error: others.append(page or error))
    chat.run_until(lambda: len(answers) == 100 and len(others) == 1)
    refused = [answer for answer in answers if not isinstance(answer, Page)]
    assert {str(error) for error in refused} == {"too many searches wait: try again in a while"}
    assert len(refused) < 50
    assert isinstance(others[0], Page)
    assert chat.find(BOB.id, "word") == ["one word"]


def test_expensive_search(house: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error tells the user to look for rarer words."""
    house.write(entry(ANN, BOB, "a needle"), *(entry(CID, CID, "a needle") for _ in range(2500)))
    monkeypatch.setattr(search, "_MAX_SECONDS", 0.0)
    answer = house.ask(SearchQuery(user=BOB.id, words="needle", rooms=[], limit=10))
    assert isinstance(answer, InputError)
    assert str(answer) == "This search takes too long: look for rarer words, or in one place only."
    monkeypatch.undo()
    assert house.find(BOB.id, "needle") == ["a needle"]


def test_search_that_has_waited_too_long(house: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for its result any more."""
    monkeypatch.setattr(log_reader, "_SEARCH_TIMEOUT", -1.0)
    answer = house.ask(SearchQuery(user=BOB.id, words="needle", rooms=[], limit=10))
    assert isinstance(answer, StoreError)
    assert str(answer) == "too many searches wait: try again in a while"


def test_search_interrupted_by_its_deadline(house: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has used little time itself."""
    house.write(entry(ANN, BOB, "a needle"), *(entry(CID, CID, "a needle") for _ in range(2500)))
    assert house.find(BOB.id, "needle") == ["a needle"]
    monkeypatch.setattr(search, "_MAX_SECONDS", 3600.0)
    monkeypatch.setattr(search, "_CHECK_INTERVAL", 1)  # which takes far longer than there is time
    monkeypatch.setattr(log_reader, "_SEARCH_TIMEOUT", 0.002)
    answer = house.ask(SearchQuery(user=BOB.id, words="needle", rooms=[], limit=10))
    assert isinstance(answer, StoreError)
    assert str(answer) == "too many searches wait: try again in a while"
