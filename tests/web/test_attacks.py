"""Other people's pages, servers that mean harm, and people who write markup: refused, or harmless."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Browser

from tests.support import chatcli
from tests.web import chromium
from tests.web.conftest import OpenPage
from tests.web.hostile import CHALLENGE, Answer, Frame, elsewhere, good, hostile, welcome
from tests.web.modules import run
from tests.web.page import ChatPage
from tests.web.servers import WebServer

#: Runs wherever markup or a script of it is taken for what it says.
MARKUP: Final = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'
#: The end of what is shown, a way back, a colour.
CONTROLS: Final = "\x1b[31m\u202egnp.exe\u2066\u0007\u0000"
_AROUND: Final = r"/.{0,40}[\u0000-\u0008\u000b-\u001f\u007f\u202a-\u202e\u2066-\u2069].{0,20}/"
#: What a page says of itself: whether a script of somebody else's has run, foreign elements, raw control characters.
_HARM: Final = f"""() => {{
    const SHOWN = ["aria-label", "aria-description", "title", "placeholder", "alt"];
    const all = [...document.querySelectorAll("*")];
    const shown = document.body.innerText
        + all.flatMap((one) => SHOWN.map((name) => one.getAttribute(name))).join(" ");
    return [
        typeof window.pwned,
        typeof {{}}.polluted,
        document.querySelectorAll("body script, body img, body iframe, body b").length,
        shown.match({_AROUND})?.[0] ?? "",
        document.title.includes("\\u202e"),
    ];
}}"""


def unharmed(page: ChatPage) -> None:
    """Check that nothing of what was shown is more than text."""
    assert page.page.evaluate(_HARM) == ["undefined", "undefined", 0, "", False]


_ATTACKER: Final = """<!doctype html><iframe></iframe><form method="post" target="_blank"></form><script>
const base = %s, ws = base.replace("http", "ws"), main = %s;
const outcome = (promise) => promise.then(String, (error) => "refused");
const load = (tag, fields) => new Promise((resolve, reject) => {
    const element = Object.assign(document.createElement(tag), fields);
    document.head.append(Object.assign(element, {onload: () => resolve("loaded"), onerror: reject}));
});
const socket = (path) => new Promise((resolve, reject) => {
    const socket = new WebSocket(ws + path);
    socket.onopen = () => resolve("open");
    socket.onerror = reject;
});
async function attack() {
    return {
        socket: await outcome(socket("/-/ws")),
        read: await outcome(fetch(base + "/").then((answer) => answer.text())),
        said: await outcome(fetch(base + "/ops", {method: "POST", mode: "no-cors", body: "x"}).then((one) => one.type)),
        module: await outcome(import(base + main)),
        script: await outcome(load("script", {src: base + main})),
        style: await outcome(load("link", {rel: "stylesheet", href: base + main.replace("main.js", "style.css")})),
    };
}
</script>"""


def test_other_peoples_pages(server: WebServer, open_page: OpenPage, browser: Browser) -> None:
    """A page of another origin reads nothing, says nothing, loads no script and frames nothing."""
    ann = open_page(server).come_in("ann").enter("#ops")
    main = run(ann, "return new URL(base).pathname")
    with elsewhere(_ATTACKER % (json.dumps(server.url), json.dumps(main))) as url, browser.new_context() as context:
        page = context.new_page()
        statuses: dict[str, int] = {}
        page.on("response", lambda answer: statuses.update({f"{answer.request.method} {answer.url}": answer.status}))
        page.goto(url)
        outcomes = page.evaluate("() => attack()")
        assert outcomes.pop("said") in {"refused", "opaque"}
        assert set(outcomes.values()) == {"refused"}, outcomes
        assert statuses.get(f"POST {server.url}/ops", 403) == 403
        page.evaluate("(url) => { document.querySelector('iframe').src = url }", server.url)
        page.wait_for_timeout(500)
        framed = page.frames[1]
        assert framed.url.startswith("chrome-error:") or framed.get_by_role("button").count() == 0
        with context.expect_page() as opened:
            page.evaluate("(url) => { Object.assign(document.forms[0], {action: url}).submit() }", f"{server.url}/ops")
        opened.value.wait_for_load_state()
        assert statuses.get(f"POST {server.url}/ops", 403) == 403
    ann.page.reload()
    ann.is_at("#ops")
    assert ann.messages() == []


def test_rebinding(server: WebServer, browser: Browser) -> None:
    """A name of somebody else's that leads to this server gets nothing of it."""
    options = ["--host-resolver-rules=MAP evil.test 127.0.0.1", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    rebound = browser.browser_type.launch(executable_path=chromium.find(), args=options)
    try:
        page = rebound.new_page()
        answer = page.goto(f"http://evil.test:{server.address.port}/")
        assert answer is not None
        assert answer.status == 421
        opens = """() => new Promise((resolve) => {
            const socket = new WebSocket(location.origin.replace("http", "ws") + "/-/ws");
            socket.onopen = () => resolve(true);
            socket.onerror = () => resolve(false);
        })"""
        assert page.evaluate(opens) is False
    finally:
        rebound.close()


def test_stolen_token(server: WebServer, open_page: OpenPage) -> None:
    """One in an address is no way in, and does not stay there."""
    page = open_page(server, "/?token=cct_x#token=cct_y")
    assert page.page.url == f"{server.url}/"
    page.name_field.wait_for()
    assert page.name_field.input_value() == ""


def test_trusted_types(server: WebServer, open_page: OpenPage) -> None:
    """Nothing makes markup or script of a text, whoever tries."""
    page = open_page(server).tolerate("policy|Trusted|console")
    tries = """() => ["innerHTML", "outerHTML"].map((name) => {
        try { document.querySelector("main")[name] = "<b>x</b>"; return "done"; } catch (error) { return error.name; }
    })"""
    assert page.page.evaluate(tries) == ["TypeError", "TypeError"]


def test_markup_of_people(server: WebServer, open_page: OpenPage) -> None:
    """Other people's names and messages are text, in the real chat, too."""
    name = "<b>x<"
    other = open_page(server, "/ops").come_in(name)
    page = open_page(server, f"/@{name.replace('<', '%3C').replace('>', '%3E')}").come_in("ann")
    page.say(MARKUP)
    page.say(f"```\n{MARKUP}\n```")
    page.say('javascript:alert(1) https://x.test/"onclick=alert(1) <javascript:alert(1)>')
    other.link("ann").click()
    other.shows("javascript:alert(1)")
    for one in (page, other):
        unharmed(one)
        links = one.page.evaluate("() => [...document.links].map((link) => link.protocol)")
        assert set(links) <= {"http:", "https:"}
    chatcli("admin", "kick", name, "--reason", MARKUP, "--data", str(server.data))
    other.says("An operator has sent you away")
    unharmed(other)


# A server that means harm.


def message(seq: int, **fields: object) -> Frame:
    """Return a message."""
    return {"t": "message", "seq": seq, "id": f"{seq}", "from": "bob", "to": "ann", "text": "x", "at": 1, **fields}


def answering(**frames: Any) -> Answer:  # noqa: ANN401
    """Answer frames by their tag with these, and all others as a good server does."""

    def answer(frame: Frame) -> list[Frame | str | bytes] | None:
        if frame["t"] not in frames:
            return None
        said = frames[str(frame["t"])]
        return [{**each, "n": frame.get("n")} if isinstance(each, dict) and "n" in each else each for each in said]

    return answer


@contextlib.contextmanager
def meeting(open_page: OpenPage, said: Answer, path: str = "/") -> Iterator[ChatPage]:
    """Open the page at a server that means harm, which ends before the page does."""
    with hostile(said) as server:
        page = open_page(server, path).tolerate("ERR_CONNECTION_REFUSED|WebSocket")
        yield page
        page.settle()


@pytest.mark.parametrize("evil", [MARKUP, CONTROLS], ids=["markup", "controls"])
def test_evil_strings(open_page: OpenPage, evil: str) -> None:
    """In each field that is shown, a text is text."""
    short, room = evil[:150], f"#{evil[:150]}"
    person = {"user": short, "since": 1, "state": "away", "text": evil}
    asked = message(2, text=evil, **{"from": short}, choices=[evil[:60], "b"], until=9_999_999_999_999)
    about = {"name": room, "kind": "open", "members": 2, "topic": evil, "owners": [short], "joined": True}
    listed = [{"of": short, "last": asked, "unread": 1}, {"of": room, "last": asked | {"to": room}, "unread": 3}]
    key = {"fingerprint": short, "since": 1, "device": evil}
    token = {"id": "i", "scope": short, "since": 1, "label": evil, "to": [room]}
    said = answering(
        hello=[CHALLENGE | {"server": evil, "key": short}],
        prove=[
            welcome("ann", rooms=[room], invited=[f"{room}2"], server=evil),
            message(1, text=evil, **{"from": short}),
            asked,
            message(3, text=evil, re=2, answer=0, **{"from": short}),
            {"t": "live", "seq": 3},
            {"t": "presence", "here": [short], "gone": [f"{short}2"], "away": [person]},
            {"t": "happened", "room": room, "what": "topic", "user": short, "by": short, "text": evil},
            {"t": "happened", "room": room, "what": short, "user": short, "by": short, "text": evil},
            {"t": "renewed", "user": short, "what": "recovered", "by": short, "at": 1, "seq": 4},
            {"t": "error", "code": short, "text": evil, "names": [short]},
        ],
        conversations=[{"t": "conversations", "conversations": listed, "more": False, "n": 0}],
        who=[{"t": "who", "people": [person], "n": 0}],
        rooms=[{"t": "rooms", "rooms": [about], "more": False, "n": 0}],
        history=[{"t": "history", "of": short, "messages": [asked], "more": False, "n": 0}],
        receipts=[{"t": "receipts", "to": short, "people": [{"user": short, "seq": 9}], "n": 0}],
        keys=[{"t": "keys", "keys": [key], "n": 0}],
        tokens=[{"t": "tokens", "tokens": [token], "n": 0}],
        link=[{"t": "link", "code": short, "until": 1, "n": 0}],
        token=[{"t": "error", "code": "too_many", "text": evil, "n": 0}],
        send=[{"t": "error", "code": "not_allowed", "text": evil}],
    )
    with meeting(open_page, said) as page:
        page.come_in("ann")
        for number in range(2):
            page.sidebar.get_by_role("link").nth(number).click()
            page.composer.wait_for()
            page.say(evil.replace("\x00", "") or "x")
            page.page.wait_for_timeout(300)
            unharmed(page)
        page.page.get_by_role("button", name="Keep the name…").click()
        page.page.get_by_role("button", name="Add a device").click()
        page.page.get_by_text("For one device").wait_for()
        page.page.get_by_role("button", name="Make a recovery token").click()
        page.page.wait_for_timeout(300)
        unharmed(page)


@pytest.mark.parametrize("evil", [MARKUP, CONTROLS], ids=["markup", "controls"])
def test_evil_refusals(open_page: OpenPage, evil: str) -> None:
    """So are the sentences with which a server refuses, and the names that it suggests."""
    refusal = {"t": "error", "code": "name_taken", "text": evil, "names": [evil[:150], evil[:100]]}
    with meeting(open_page, answering(hello=[refusal])) as page:
        page.ask_for("ann")
        page.says("ann is taken.")
        unharmed(page)
    with meeting(open_page, answering(prove=[{"t": "bye", "code": "banned", "text": evil}])) as page:
        page.ask_for("ann")
        page.page.get_by_role("alert").wait_for()
        unharmed(page)


NONSENSE: Final[dict[str, list[Any]]] = {
    "wrong types": [{"t": "message", "seq": "1", "from": 5, "to": None, "text": [], "at": {}}] * 3,
    "prototypes": [
        '{"t":"__proto__","polluted":1}',
        '{"t":"presence","here":["__proto__","constructor"],"__proto__":{"polluted":1}}',
        message(5, to="__proto__", **{"from": "ann"}),
        message(6, **{"from": "constructor"}),
        message(7, **{"from": "toString"}),
        '{"t":"message","seq":8,"id":"8","from":"__proto__","to":"ann","text":"x","at":1,"__proto__":{"polluted":1}}',
    ],
    "wrong order": [
        message(9),
        message(3),
        message(9),
        {"t": "live", "seq": 1},
        {"t": "sent", "id": "?", "seq": 1, "at": 1},
    ],
    "second welcome": [welcome("mallory"), CHALLENGE, welcome("ann", epoch="f")],
    "no answers": [{"t": "history", "of": "bob", "messages": [], "more": False, "n": 99}, {"t": "pong", "n": 1}],
    "many people": [{"t": "presence", "here": [f"p{number}" for number in range(50_000)]}],
    "many messages": [message(number) for number in range(10, 5_010)],
    "a long text": [message(9, text="x" * (4 * 1024 * 1024))],
    "a long line": [message(9, text="y" * (16 * 1024 * 1024))],
    "no JSON": ["{", "[]", "null", "5", '""', "[" * 100_000],
    "no text": [b"\x00\xff"],
    "huge numbers": [message(2**53 - 1, at=2**60), message(1, at=-1), {"t": "read", "seq": 2**53 - 1}],
    "a question": [message(9, choices=["x"] * 5_000), message(10, choices=[], answer=7, re=10), message(11, re=11)],
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense(open_page: OpenPage, kind: str) -> None:
    """The page survives every nonsense of a server, and says what is wrong if it is too much."""

    def said(frame: Frame) -> list[Frame | str | bytes] | None:
        return [*good(frame), *NONSENSE[kind]] if frame["t"] == "prove" else None

    with meeting(open_page, said, "/@bob") as page:
        page.come_in("ann")
        page.composer.fill("still here")
        assert page.composer.input_value() == "still here"
        page.page.wait_for_timeout(300)
        page.is_at("bob")
        unharmed(page)


def test_endless_nonsense(open_page: OpenPage) -> None:
    """A server that says nothing else is left, with a sentence."""
    with meeting(open_page, answering(prove=[welcome("ann"), *["nonsense"] * 1000])) as page:
        page.tolerate("WebSocket")  # what it has yet to load when the server is gone
        page.come_in("ann")
        page.says("The server says what this page does not understand.")


@pytest.mark.parametrize(
    "said", [answering(hello=[]), answering(prove=[]), answering(hello=[message(1)]), answering(hello=[welcome("")])]
)
def test_no_welcome(open_page: OpenPage, said: Answer) -> None:
    """A server that never lets anybody in is said not to be reached, and the page can still be used."""
    with meeting(open_page, said) as page:
        page.page.clock.install()
        page.ask_for("ann")
        page.page.wait_for_timeout(300)
        page.page.clock.fast_forward(20_000)
        assert re.search(r"not reached|not understood|Name", page.page.locator("body").inner_text())
        unharmed(page)


def test_nobody_asked(open_page: OpenPage) -> None:
    """The error for a released name is not shown to somebody who only reads; others without a number are."""

    def said(frame: Frame) -> list[Frame | str | bytes] | None:
        if frame["t"] != "ack":
            return None
        codes = {"unknown_user": "Nobody is called bob any more.", "storage": "The disk is full."}
        return [{"t": "error", "code": code, "text": text} for code, text in codes.items()]

    with hostile(said) as server:
        page = open_page(server).tolerate("WebSocket|ERR_CONNECTION_REFUSED").come_in("ann")
        page.says("The disk is full.")
        assert page.page.get_by_text("Nobody is called bob any more.").count() == 0
