"""Scenes of names: claims, keys, tokens, codes and releases."""

from __future__ import annotations

from typing import Final

from chatcli.store.records import (
    RELEASED,
    AddKey,
    Claim,
    DropKey,
    DropToken,
    KeyRecord,
    Release,
    Ruling,
    Seen,
    TokenRecord,
    UseToken,
    Voucher,
)
from chatcli.store.sanction import Sanction, encode
from tests.store.recorded.scenes.world import LATEST, Person, Scene, World

_DAY: Final = 86_400_000


def claim(
    world: World, person: Person, *, invitation: str = "", recovery: str = "", by: str = "", hope: bool = True
) -> Claim:
    """Make a claim, and hope that it is accepted; a name for programs has no key."""
    key = b"" if by else world.secret()
    if hope and world.is_free(person):
        world.owners[person.key] = person
        world.keys[person.id] = [key] if key else []
    return Claim(
        id=person.id,
        name=person.name,
        key=person.key,
        look=person.look,
        created=world.now,
        public_key=key,
        device=world.dice.choice(("", "laptop", "téléphone")),
        invitation=invitation,
        recovery=recovery,
        by=by,
    )


def new_key(world: World, user: int, voucher: Voucher, *, digest: bytes | str = b"", by: str = "") -> AddKey:
    """Make a request of a key, and hope that it is accepted."""
    key = world.secret()
    world.keys.setdefault(user, []).append(key)
    return AddKey(key=KeyRecord(user, key, world.now, "phone"), voucher=voucher, digest=digest, by=by)


def release(person: Person, at: int) -> Release:
    """Make the release of a name."""
    return Release(person.id, f"{person.key}", f"{person.name} (released {person.id})", "root", at)


def newcomers(world: World) -> Scene:
    """Some people claim names that may be taken, or look like others."""
    for _ in range(world.dice.choice((1, 2, 3))):
        yield claim(world, world.person() if world.chance(0.4) else world.stranger())
        if world.chance(0.2):
            yield None


def rivals(world: World) -> Scene:
    """Several claim one name, or names that look alike, in one batch and in the next."""
    first = world.stranger()
    alike = first.name.replace("o", "0")
    for name in (first.name, first.name.swapcase(), alike, first.name):
        second = world.person()
        # The look of a name may be the key of another one, for somebody with other tables of Unicode.
        look = world.owner().key if world.chance(0.2) else first.look
        yield claim(world, Person(second.id, name, name.lower(), look))
        if world.chance(0.3):
            yield None


def namesakes(world: World) -> Scene:
    """A name is released, claimed and released again, within one batch or not."""
    former = world.owner()
    for _ in range(world.dice.choice((1, 1, 2))):
        if world.chance(0.5):
            yield Ruling(world.dice.choice(("mute", "operator")), former.key, encode(Sanction(at=world.now)))
        yield release(former, world.now)
        world.owners.pop(former.key, None)
        if world.chance(0.3):
            yield release(former, world.now)  # once more, when they have it no more
        if world.chance(0.3):
            yield None
        person = world.person()
        former = Person(person.id, former.name, former.key, former.look)
        yield claim(world, former, by=world.dice.choice(("", "root")))
        if world.chance(0.3):
            yield new_key(world, former.id, "none")
    if world.chance(0.3):
        yield Release(former.id, former.key, f"{former.name}?", "root", world.now)
        yield Release(former.id, f"{RELEASED}{former.id}", "nobody", "root", world.now)


def invited(world: World) -> Scene:
    """More people come with an invitation than it has uses, or after its time."""
    code = world.secret().hex()
    sanction = Sanction(at=world.now, until=world.until(), uses=world.dice.choice((0, 1, 1, 2, 3)), reason="root")
    left = 0
    if world.chance(0.9):  # or nobody has ever made it
        left = sanction.uses
        yield Ruling("invitation", code, encode(sanction))
    for _ in range(sanction.uses + 2):
        if world.chance(0.3):
            yield None
        holds = left > 0 and not sanction.over(world.now)
        left -= holds
        yield claim(world, world.stranger(), invitation=code, hope=holds)
    if world.chance(0.3):
        yield Ruling("invitation", code, None)


def recovering(world: World) -> Scene:
    """An operator gives a code for a name, which is used for a key, or to claim the name, more than once."""
    person = world.owner()
    code = world.secret().hex()
    sanction = Sanction(at=world.now, until=world.until(), reason=code, keep=world.chance(0.4))
    yield Ruling("recovery", person.key, encode(sanction))
    for _ in range(world.dice.choice((0, 2))):
        yield new_key(world, person.id, "device")
        world.now += 1
    if world.chance(0.4):
        yield None
    if world.chance(0.3):
        yield release(person, world.now)
        world.owners.pop(person.key, None)
        if world.chance(0.5):
            yield Ruling("recovery", person.key, encode(sanction))
    for digest in (world.secret().hex(), code, code):
        other = world.person()
        if person.key in world.owners or world.chance(0.2):
            yield new_key(world, person.id, "recovery", digest=digest, by="root")
        else:
            successor = Person(other.id, person.name, person.key, person.look)
            holds = digest == code and not sanction.over(world.now)
            yield claim(world, successor, recovery=digest, hope=holds)
        if world.chance(0.2):
            yield None


def devices(world: World) -> Scene:
    """Keys are added and dropped, the last one twice in one batch."""
    user = world.user()
    for _ in range(world.dice.choice((0, 1, 2))):
        yield new_key(world, user, world.dice.choice(("none", "device", "device")))
        if world.chance(0.3):
            yield None
    keys = world.keys.get(user, [])
    if keys and world.chance(0.2):
        key = world.dice.choice(keys)
        yield AddKey(key=KeyRecord(user, key, world.now), voucher="device")  # they have it
        yield AddKey(key=KeyRecord(world.user(), key, LATEST, "stolen"), voucher="device")
    if world.chance(0.5):
        for key in [*keys, *keys[-1:]]:
            yield DropKey(user, key)
        keys[:] = keys[:1]
    else:
        yield DropKey(user, world.key_of(user), world.dice.choice(("revoked", "key_revoked")))


def tokens(world: World) -> Scene:
    """A token is made, used and dropped; its key may be dropped before."""
    user = world.user()
    digest, key = world.secret(), world.dice.choice((b"", world.key_of(user), world.key_of(user)))
    token = TokenRecord(
        digest=digest,
        user=user,
        label=world.text(),
        scope=world.dice.choice(("send", "read", "all", "metrics")),
        places=world.dice.choice((None, (), (world.room(), world.user()))),
        created=world.now,
        until=world.until(),
        key=key,
    )
    if world.chance(0.2):
        yield DropKey(user, key)
    world.tokens.append((digest, user))
    yield token
    if world.chance(0.2):
        yield token  # once more
    for _ in range(world.dice.choice((0, 1, 3))):
        if world.chance(0.4):
            yield None
        digest = world.dice.choice((digest, world.secret(), world.dice.choice(world.tokens)[0]))
        day = world.now // _DAY * _DAY
        yield world.dice.choice((UseToken(digest, day), DropToken(digest), DropKey(user, key), UseToken(digest, day)))


def vouchers(world: World) -> Scene:
    """A recovery token gives a key once, to its user."""
    user, digest = world.user(), world.secret()
    yield TokenRecord(
        digest=digest,
        user=user,
        label="",
        scope="recover",
        places=None,
        created=world.now,
        until=world.dice.choice((None, world.now - 1, world.now, world.now + _DAY)),
    )
    for who, which in ((world.user(), digest), (user, world.secret()), (user, digest), (user, digest)):
        if world.chance(0.7):
            yield new_key(world, who, "token", digest=which)
        if world.chance(0.2):
            yield None
    if world.tokens and world.chance(0.7):
        digest, user = world.dice.choice(world.tokens[-5:])
        yield new_key(world, user, "token", digest=digest)  # of another scope


def seen(world: World) -> Scene:
    """Times at which users were connected, not in order."""
    for _ in range(3):
        yield Seen(world.user(), world.now + world.dice.choice((0, -1, 1, LATEST - world.now, -world.now)))
