"""The writer's decisions about names, keys and tokens, and what follows, as every store must do it."""

from __future__ import annotations

from typing import Final

import pytest
from msgspec.structs import replace

from chatcli.store.batch import Conflict
from chatcli.store.records import (
    RELEASED,
    AddKey,
    Claim,
    DropKey,
    DropToken,
    Enter,
    Fact,
    Found,
    KeyRecord,
    Leave,
    NameChangeRecord,
    Record,
    Release,
    Rename,
    Ruling,
    Seen,
    SetOwner,
    SetTopic,
    TokenRecord,
    UserRecord,
    UseToken,
    Voucher,
)
from chatcli.store.sanction import Sanction, encode
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, CID, LOBBY, OPS, claim, entry, faulty, new_room, new_user

KEYS: Final = [bytes([number]) * 32 for number in range(4)]
DAN: Final = new_user(4, "Dan", 4000)
SECRET: Final = new_room(-3, "#secret", 5, kind="private", topic="hush")
AT: Final = 10_000
TOKEN: Final = TokenRecord(
    digest=b"t" * 32, user=ANN.id, label="", scope="recover", places=None, created=7, until=AT + 1, key=KEYS[0]
)
WRONG: Final = b"w" * 32
CODE: Final = Sanction(at=1, until=AT + 1, reason="code")


def ruling(kind: str, subject: str, sanction: Sanction | None) -> Ruling:
    """Make a ruling."""
    return Ruling(kind, subject, None if sanction is None else encode(sanction))


def add(
    key: int, voucher: Voucher = "device", digest: bytes | str = b"", *, user: int = ANN.id, at: int = AT, by: str = ""
) -> AddKey:
    """Make the request to add a key to Ann, or to another user."""
    return AddKey(key=KeyRecord(user, KEYS[key], at, "phone"), voucher=voucher, digest=digest, by=by)


def change(what: str, seq: int, *, key: str = ANN.key, user: int = ANN.id, **fields: object) -> NameChangeRecord:
    """Make the change of a name that is expected."""
    made = NameChangeRecord(key=key, user=user, what="key", by="", at=AT, seq=seq)
    for name, value in {"what": what, **fields}.items():
        setattr(made, name, value)
    return made


@pytest.fixture
def keyed(chat: Owner) -> Owner:
    """Open a log in which Ann has a key, and a message with the number 1."""
    chat.write_all(add(0, "none"), entry(ANN, BOB))
    chat.reports.clear()
    return chat


def kept(owner: Owner) -> tuple[object, ...]:
    """Return everything that a restarted server finds but messages."""
    owner.reopen()
    state = owner.state
    return state.users, state.keys, state.tokens, state.rulings, state.rooms, state.members, state.freed


# Claims


def test_claim(chat: Owner) -> None:
    """The user begins at the newest message of that moment."""
    made = UserRecord(id=4, name="Dan", key="dan", look="dan", created=AT, received=1, read=1, public_read=1)
    batch, _ = chat.write_all(entry(ANN, BOB), claim(replace(DAN, created=AT)), entry(ANN, BOB))
    assert batch.changes[0].outcome.facts == [made]
    chat.reopen()
    assert chat.state.users[-1] == made


def test_claim_with_a_key(chat: Owner) -> None:
    """It is the user's from the beginning."""
    facts = chat.facts(replace(claim(DAN), public_key=KEYS[0], device="phone"))
    assert facts == [DAN, KeyRecord(DAN.id, KEYS[0], DAN.created, "phone")]
    chat.reopen()
    assert chat.state.keys == facts[1:]


@pytest.mark.parametrize(
    ("name", "conflict"),
    [("ann", "taken"), ("жанна", "taken"), ("Alın", None), ("Аnn", "lookalike"), ("Bob2", None), ("B0B", "lookalike")],
)
def test_names_that_are_alike(chat: Owner, name: str, conflict: Conflict | None) -> None:
    """A name that is taken, or looks like one, is refused; neither leaves anything behind."""
    record = replace(claim(new_user(4, name, AT)), public_key=KEYS[0])
    batch, error = chat.write_all(record, entry(ANN, BOB, "kept"), Seen(BOB.id, 5))
    assert (error, batch.changes[0].outcome.conflict) == (None, conflict)
    assert batch.changes[1].outcome.facts == [Seen(BOB.id, 5)]
    assert chat.texts(BOB.id) == ["kept"]
    chat.reopen()
    assert len(chat.state.users) == (4 if conflict is None else 3)
    assert bool(chat.state.keys) is (conflict is None)


def test_name_that_looks_like_a_key(chat: Owner) -> None:
    """A name is compared with the other names as they are spelled, too."""
    chat.add_users(replace(DAN, look="something else"))
    assert chat.conflict(replace(claim(new_user(5, "Dän", 1)), look="dan")) == "lookalike"


def test_one_name_twice_in_a_batch(chat: Owner) -> None:
    """The first gets it."""
    batch, error = chat.write_all(claim(DAN), claim(replace(DAN, id=5)), claim(new_user(6, "Eve", 1)))
    assert error is None
    assert [change.outcome.conflict for change in batch.changes] == [None, "taken", None]
    chat.reopen()
    assert [user.id for user in chat.state.users] == [1, 2, 3, 4, 6]


def test_id_that_is_taken(chat: Owner) -> None:
    """The request is refused."""
    assert chat.conflict(claim(replace(DAN, id=BOB.id))) == "taken"


def test_ids(chat: Owner) -> None:
    """They are given once, whether users and rooms come to be or not, and go on after a restart."""
    chat.reopen()
    assert [chat.log.new_user_id() for _ in range(3)] == [4, 5, 6]
    assert [chat.log.new_room_id() for _ in range(2)] == [-1, -2]
    chat.write_all(claim(replace(DAN, id=5)), Found(OPS, ANN.id))
    chat.reopen()
    assert (chat.log.new_user_id(), chat.log.new_room_id()) == (6, -3)


@pytest.mark.parametrize(
    ("invitation", "left"),
    [
        (Sanction(at=1, uses=2), Sanction(at=1, uses=1)),
        (Sanction(at=1, uses=1, until=AT + 1), None),
        (Sanction(at=1, uses=0), "bad_code"),
        (Sanction(at=1, uses=2, until=AT), "bad_code"),
        (None, "bad_code"),
    ],
)
def test_invitation(chat: Owner, invitation: Sanction | None, left: Sanction | str | None) -> None:
    """It loses a use, and ends with the last; without one the name stays free."""
    if invitation is not None:
        chat.commit_change(ruling("invitation", "i", invitation))
    chat.commit_change(ruling("invitation", "other", Sanction(at=1, uses=3)))
    record = replace(claim(DAN), created=AT, invitation="i")
    if left == "bad_code":
        assert chat.conflict(record) == "bad_code"
        chat.reopen()
        assert len(chat.state.users) == 3
    else:
        assert not isinstance(left, str)
        assert chat.facts(record)[1:] == [ruling("invitation", "i", left)]
        chat.reopen()
        expected = [ruling("invitation", "i", left)] if left is not None else []
        assert sorted(chat.state.rulings) == [*expected, ruling("invitation", "other", Sanction(at=1, uses=3))]


def test_invitation_for_one_of_two(chat: Owner) -> None:
    """The second of a batch comes too late."""
    records = [replace(claim(new_user(number, f"p{number}", 1)), invitation="i") for number in (4, 5)]
    batch, _ = chat.write_all(ruling("invitation", "i", Sanction(at=0, uses=1)), *records)
    assert [change.outcome.conflict for change in batch.changes] == [None, None, "bad_code"]


def test_damaged_ruling(chat: Owner) -> None:
    """It is no permission."""
    chat.write_all(Ruling("invitation", "i", "{"), Ruling("recovery", "dan", "[]"))
    assert chat.conflict(replace(claim(DAN), invitation="i")) == "bad_code"
    assert chat.conflict(replace(claim(DAN), recovery="x")) == "bad_code"


@pytest.mark.parametrize(
    ("code", "at", "conflict"),
    [("code", AT, None), ("", AT, None), ("edoc", AT, "bad_code"), ("code", AT + 1, "bad_code")],
)
def test_recovery_code_for_a_new_name(chat: Owner, code: str, at: int, conflict: Conflict | None) -> None:
    """It ends with the claim, be it needed or not; a wrong or old one is refused."""
    chat.commit_change(ruling("recovery", "dan", CODE))
    outcome = chat.outcome(replace(claim(DAN), created=at, recovery=code))
    assert outcome.conflict == conflict
    assert outcome.facts[1:] == ([] if conflict else [ruling("recovery", "dan", None)])


def test_name_for_programs(chat: Owner) -> None:
    """The operator's decision is stored with it."""
    service = ruling("service", "dan", Sanction(at=DAN.created))
    assert chat.facts(replace(claim(DAN), by="operator")) == [DAN, service]
    assert chat.conflict(add(0, "none", user=DAN.id)) == "taken"
    chat.reopen()
    assert chat.state.rulings == [service]


@pytest.mark.parametrize("by", ["", "operator"])
def test_name_that_was_released(chat: Owner, by: str) -> None:
    """That it is taken is a change with a place of its own, for those who knew the one before."""
    chat.write_all(entry(ANN, BOB), Release(BOB.id, BOB.key, "Bob (released 2)", "operator", 5))
    taken = change("taken", 3, key=BOB.key, user=DAN.id, by=by, partners=[ANN.id])
    facts = chat.facts(replace(claim(replace(BOB, id=DAN.id)), created=AT, by=by))
    assert facts[0] == UserRecord(
        id=4, name="Bob", key="bob", look="bob", created=AT, received=2, read=2, public_read=2
    )
    assert facts[-1] == taken
    assert chat.log.head == 3


# Keys


def test_first_key(chat: Owner) -> None:
    """A name without keys belongs to whoever asks first."""
    assert chat.facts(add(0, "none")) == [KeyRecord(ANN.id, KEYS[0], AT, "phone")]
    assert chat.conflict(add(1, "none")) == "taken"


def test_key_of_a_device(keyed: Owner) -> None:
    """A change of the name tells those who know the user."""
    assert keyed.facts(add(1)) == [KeyRecord(ANN.id, KEYS[1], AT, "phone"), change("key", 2, partners=[BOB.id])]
    assert keyed.log.head == 2


@pytest.mark.parametrize("voucher", ["none", "device", "token", "recovery"])
def test_key_that_is_there(keyed: Owner, voucher: Voucher) -> None:
    """Nothing changes."""
    before = kept(keyed)
    assert keyed.facts(add(0, voucher)) == []
    assert kept(keyed) == before


@pytest.mark.parametrize("voucher", ["none", "device", "token", "recovery"])
def test_key_of_nobody(keyed: Owner, voucher: Voucher) -> None:
    """There is no such user, or no longer."""
    assert keyed.conflict(add(1, voucher, user=9)) == "missing"
    keyed.commit_change(Release(ANN.id, ANN.key, "Ann (released 1)", "operator", 5))
    assert keyed.conflict(add(1, voucher)) == "missing"


def test_recovery_token(keyed: Owner) -> None:
    """It is used up."""
    keyed.commit_change(TOKEN)
    key = KeyRecord(ANN.id, KEYS[1], AT, "phone")
    used = DropToken(TOKEN.digest, "used")
    assert keyed.facts(add(1, "token", TOKEN.digest)) == [key, used, change("key", 2, partners=[BOB.id])]
    assert keyed.conflict(add(2, "token", TOKEN.digest)) == "bad_code"
    keyed.reopen()
    assert keyed.state.tokens == []


@pytest.mark.parametrize(
    ("token", "digest"),
    [
        (TOKEN, WRONG),
        (TOKEN, "t"),
        (replace(TOKEN, scope="all"), TOKEN.digest),
        (replace(TOKEN, user=BOB.id, key=b""), TOKEN.digest),
        (replace(TOKEN, until=AT), TOKEN.digest),
    ],
)
def test_wrong_recovery_token(keyed: Owner, token: TokenRecord, digest: bytes | str) -> None:
    """It is refused, and stays."""
    keyed.commit_change(token)
    before = kept(keyed)
    assert keyed.conflict(add(1, "token", digest)) == "bad_code"
    assert kept(keyed) == before


@pytest.mark.parametrize("keep", [True, False])
def test_recovery(keyed: Owner, *, keep: bool) -> None:
    """The code ends, and unless it keeps them all tokens and other keys do."""
    keyed.write_all(
        add(1), TOKEN, replace(TOKEN, digest=b"a" * 32), ruling("recovery", ANN.key, replace(CODE, keep=keep))
    )
    facts: list[Fact] = [
        KeyRecord(ANN.id, KEYS[2], AT, "phone"),
        change("recovered", 3, by="operator", partners=[BOB.id]),
        ruling("recovery", ANN.key, None),
    ]
    if not keep:
        facts += [DropToken(digest, "recovered") for digest in (b"a" * 32, TOKEN.digest)]
        facts += [DropKey(ANN.id, key, "recovered") for key in KEYS[:2]]
    assert keyed.facts(add(2, "recovery", "code", by="operator")) == facts
    keyed.reopen()
    assert [key.key for key in keyed.state.keys] == (KEYS[:3] if keep else [KEYS[2]])
    assert len(keyed.state.tokens) == (2 if keep else 0)
    assert keyed.state.rulings == []


@pytest.mark.parametrize(("code", "at"), [("edoc", AT), ("", AT), (b"code", AT), ("code", AT + 1)])
def test_wrong_recovery_code(keyed: Owner, code: str | bytes, at: int) -> None:
    """It is refused, and the right one stays."""
    keyed.commit_change(ruling("recovery", ANN.key, CODE))
    before = kept(keyed)
    assert keyed.conflict(add(1, "recovery", code, at=at, by="operator")) == "bad_code"
    assert kept(keyed) == before


def test_dropped_key(keyed: Owner) -> None:
    """The tokens that it has made end with it, and no others."""
    others = [replace(TOKEN, digest=b"a" * 32, key=KEYS[1]), replace(TOKEN, digest=b"b" * 32, key=b"")]
    keyed.write_all(add(1), TOKEN, *others)
    drop = DropKey(ANN.id, KEYS[0], "revoked_by_operator")
    assert keyed.facts(drop) == [drop, DropToken(TOKEN.digest, "key_revoked")]
    keyed.reopen()
    assert keyed.state.tokens == others
    assert [key.key for key in keyed.state.keys] == [KEYS[1]]


def test_key_that_cannot_be_dropped(keyed: Owner) -> None:
    """The last one stays, and nobody loses what they do not have."""
    before = kept(keyed)
    assert keyed.conflict(DropKey(ANN.id, KEYS[0])) == "last_key"
    assert keyed.conflict(DropKey(ANN.id, KEYS[1])) == "missing"
    assert keyed.conflict(DropKey(9, KEYS[0])) == "missing"
    assert kept(keyed) == before


def test_two_keys_dropped_at_once(keyed: Owner) -> None:
    """One stays."""
    batch, _ = keyed.write_all(add(1), DropKey(ANN.id, KEYS[0]), DropKey(ANN.id, KEYS[1]))
    assert [change.outcome.conflict for change in batch.changes] == [None, None, "last_key"]


# Tokens


@pytest.mark.parametrize(
    ("token", "conflict"),
    [
        (TOKEN, None),
        (replace(TOKEN, user=BOB.id, key=b""), None),
        (replace(TOKEN, user=9, key=b""), "missing"),
        (replace(TOKEN, key=KEYS[1]), "missing"),
        (replace(TOKEN, user=BOB.id), "missing"),
    ],
)
def test_token(keyed: Owner, token: TokenRecord, conflict: Conflict | None) -> None:
    """Its user must be there, and have the key that made it."""
    outcome = keyed.outcome(token)
    assert (outcome.conflict, outcome.facts) == (conflict, [] if conflict else [token])
    keyed.reopen()
    assert keyed.state.tokens == ([] if conflict else [token])


def test_token_that_is_taken(keyed: Owner) -> None:
    """The first stays."""
    batch, error = keyed.write_all(TOKEN, replace(TOKEN, label="other"), entry(ANN, BOB, "kept"))
    assert (error, batch.changes[1].outcome.conflict) == (None, "taken")
    keyed.reopen()
    assert keyed.state.tokens == [TOKEN]


def test_ends_and_uses_of_tokens(keyed: Owner) -> None:
    """Each is a fact if there is such a token."""
    keyed.commit_change(TOKEN)
    for record in (UseToken(TOKEN.digest, 5), DropToken(TOKEN.digest, "expired")):
        assert keyed.facts(record) == [record]
    for record in (UseToken(TOKEN.digest, 6), DropToken(TOKEN.digest)):
        assert keyed.facts(record) == []


def test_seen(chat: Owner) -> None:
    """It is a fact if it is later."""
    assert chat.facts(Seen(ANN.id, 5)) == [Seen(ANN.id, 5)]
    assert chat.facts(Seen(ANN.id, 5)) == chat.facts(Seen(9, 5)) == []


# Release


def invitation(room: int, user: int, by: int, reason: str = "") -> Ruling:
    """Make an invitation to a room."""
    return ruling("room_invitation", f"{room}:{user}", Sanction(at=1, by=by, reason=reason))


def test_release(keyed: Owner) -> None:
    """Everything that would hold for the next owner ends, each with the others that follow from it."""
    before: list[Record] = [
        *(Found(LOBBY, ANN.id), Enter(BOB.id, LOBBY.id), Found(SECRET, ANN.id), Found(OPS, CID.id)),
        *(ruling(kind, ANN.key, CODE) for kind in ("ban", "mute", "operator", "recovery")),
        ruling("mute", BOB.key, CODE),
        *(invitation(LOBBY.id, CID.id, ANN.id), invitation(OPS.id, ANN.id, CID.id)),
        *(invitation(SECRET.id, BOB.id, 0, "Ann"), invitation(OPS.id, BOB.id, CID.id)),
        *(ruling("room_ban", f"{SECRET.id}:3", CODE), TOKEN),
    ]
    keyed.write_all(*before)
    ended: list[Fact] = [Ruling(kind, ANN.key, None) for kind in ("mute", "operator", "recovery")]
    assert keyed.facts(Release(ANN.id, ANN.key, "Ann (released 1)", "operator", AT)) == [
        change("released", 2, by="operator", partners=[BOB.id]),
        *ended,
        DropToken(TOKEN.digest, "released"),
        Ruling("room_invitation", f"{LOBBY.id}:{CID.id}", None, event="uninvited"),
        Ruling("room_invitation", f"{OPS.id}:{ANN.id}", None),
        Ruling("room_invitation", f"{SECRET.id}:{BOB.id}", None, event="uninvited"),
        Rename(ANN.id, "Ann (released 1)", f"{RELEASED}1"),
        Leave(ANN.id, LOBBY.id),
        SetOwner(BOB.id, LOBBY.id, owner=True),
        Leave(ANN.id, SECRET.id),
        Ruling("room_ban", f"{SECRET.id}:3", None),
        SetTopic(SECRET.id, ""),
    ]
    users, _, tokens, rulings, _, members, freed = kept(keyed)
    assert users == [replace(ANN, name="Ann (released 1)", key=f"{RELEASED}1", look=""), BOB, CID]
    assert (tokens, freed) == ([], [ANN.key])
    assert rulings == [before[4], before[8], invitation(OPS.id, BOB.id, CID.id)]
    assert members == [(BOB.id, LOBBY.id, 1, True), (CID.id, OPS.id, 1, True)]


@pytest.mark.parametrize(("user", "key"), [(ANN.id, "anna"), (ANN.id, BOB.key), (9, ANN.key)])
def test_release_of_another_name(keyed: Owner, user: int, key: str) -> None:
    """It is refused."""
    before = kept(keyed)
    assert keyed.conflict(Release(user, key, "Ann (released 1)", "operator", AT)) == "missing"
    assert kept(keyed) == before


def test_release_twice(keyed: Owner) -> None:
    """The second finds nothing."""
    release = Release(ANN.id, ANN.key, "Ann (released 1)", "operator", AT)
    batch, _ = keyed.write_all(release, release, claim(replace(ANN, id=7)), release)
    assert [change.outcome.conflict for change in batch.changes] == [None, "missing", None, "missing"]


def test_what_the_released_cannot_do(keyed: Owner) -> None:
    """They enter no room, make none, and get no token."""
    keyed.write_all(Found(LOBBY, BOB.id), Release(ANN.id, ANN.key, "Ann (released 1)", "operator", AT))
    for record in (Enter(ANN.id, LOBBY.id), Found(OPS, ANN.id), replace(TOKEN, key=b"")):
        assert keyed.conflict(record) == "missing"


@pytest.mark.parametrize("record", [Claim(id=4, name="A", key="a", look="a", created=1), add(1), TOKEN])
def test_outcome_of_a_failed_batch(keyed: Owner, record: Record) -> None:
    """It has no facts, only the error; later the same record is accepted."""
    batch, error = keyed.write_all(record, faulty())
    outcome = batch.changes[0].outcome
    assert error is not None
    assert (outcome.error, outcome.conflict, outcome.facts) == (error, None, [])
    assert keyed.conflict(record) is None
