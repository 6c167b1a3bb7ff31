"""Measures the page in Chromium against a real server: ``python -m tests.benchmarks.web [--rounds N]``.

It prints a line of JSON with the medians of all rounds: times in milliseconds, memory in megabytes. The page is what
the server serves; only for the timeline of 10,000 messages a timeline of its own is made, with a bound beyond them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, CDPSession, Page

from chatcli.protocol.values.address import Address
from tests.support import serving
from tests.web import chromium
from tests.web.speakers import Speaker

_ROOMS: Final = 50
_HELD: Final = 200  # messages in each of the rooms
_SINGLE: Final = 30  # messages that come one by one
_RATE: Final = 2000  # messages a second
_SECONDS: Final = 10
_SLICE: Final = 0.02  # seconds: the messages of this time go out together
_TEXT: Final = "the quick brown fox jumps over the lazy dog, and then some more of the same"

_OPENED: Final = """() => {
    const Plain = WebSocket;
    globalThis.WebSocket = class extends Plain {
        constructor(...given) {
            super(...given);
            this.addEventListener("message", ({data}) => data.includes('"t":"welcome"') && performance.mark("welcome"));
        }
    };
}"""
_COMING: Final = """() => {
    const script = performance.getEntriesByType("resource").find(({name}) => name.endsWith("/main.js"));
    const welcome = performance.getEntriesByName("welcome")[0]?.startTime ?? 0;
    const paint = performance.getEntriesByName("first-paint")[0]?.startTime ?? 0;
    return {first_paint: paint, welcome, welcome_after_script: welcome - script.responseEnd};
}"""
_LONG: Final = """async (text) => {
    const main = [...document.scripts].find(({src}) => src.endsWith("/main.js")).src;
    const load = (name) => import(new URL(name, main));
    const [{Emitter}, {State}, {Timeline}] =
        await Promise.all(["./core/emitter.js", "./core/state.js", "./views/timeline/timeline.js"].map(load));
    const nothing = async () => null;
    const chat = Object.assign(new Emitter(), {
        me: "ann", state: new State(), outbox: {to: () => []},
        older: nothing, newer: nothing, toEnd: nothing, message: nothing, markRead: nothing,
    });
    const conversation = chat.state.conversation("#long");
    conversation.insert(Array.from({length: 10_000}, (_, seq) => ({
        t: "message", seq: seq + 1, id: String(seq), from: seq % 7 < 3 ? "bob" : "cid", to: "#long",
        text: text.slice(0, 20 + seq % 55).repeat(1 + seq % 3), at: 1_700_000_000_000 + seq * 20_000,
    })));
    conversation.loaded = conversation.atStart = conversation.atEnd = true;
    const timeline = new Timeline(chat, {}, 20_000);
    document.querySelector("main").replaceChildren(timeline.root);
    const begun = performance.now();
    chat.emit("current", conversation);
    chat.emit("messages", {conversation, kind: "reset", messages: conversation.messages});
    return performance.now() - begun;
}"""
_SCROLL: Final = """() => new Promise((resolve) => {
    const log = document.querySelector("[role=log]");
    const frames = [];
    let last = performance.now();
    const step = (now) => {
        frames.push(now - last);
        last = now;
        log.scrollTop -= 240;
        if (frames.length < 300) requestAnimationFrame(step);
        else resolve(frames.slice(5));
    };
    requestAnimationFrame(step);
})"""
_WATCH_KEYS: Final = """() => {
    globalThis.keys = [];
    new PerformanceObserver((list) => globalThis.keys.push(
        ...list.getEntries().filter(({name}) => name === "keydown").map(({duration}) => duration),
    )).observe({type: "event", durationThreshold: 16});
}"""

Figures = dict[str, float]


def metrics(session: CDPSession) -> dict[str, float]:
    """Return the counts of Chromium: seconds and bytes."""
    return {entry["name"]: entry["value"] for entry in session.send("Performance.getMetrics")["metrics"]}


def spent(session: CDPSession, action: Callable[[], object]) -> float:
    """Return the milliseconds of script, style and layout that an action costs the page."""
    names = ("ScriptDuration", "RecalcStyleDuration", "LayoutDuration")
    before = metrics(session)
    action()
    after = metrics(session)
    return 1000 * sum(after[name] - before[name] for name in names)


def p95(values: list[float]) -> float:
    """Return the value that 95 of 100 do not exceed."""
    return sorted(values)[int(len(values) * 0.95)]


class Bench:
    """One round, with a new server and a new browser profile."""

    def __init__(self, browser: Browser, address: Address) -> None:
        self._address = address
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.add_init_script(f"({_OPENED})()")
        self._page: Page = context.new_page()
        self._session = context.new_cdp_session(self._page)
        self._session.send("Performance.enable")
        self._url = f"http://{address}"
        self.figures: Figures = {}

    def run(self) -> None:
        """Measure everything."""
        rooms = [f"#room{number}" for number in range(_ROOMS)]
        with Speaker(self._address, "bob", "#ops", *rooms) as bob:
            self._come_in()
            self._one_more(bob)
            self._flood(bob)
            self._many_rooms(bob, rooms)
            self._long()
        self._page.context.close()

    def _come_in(self) -> None:
        self._page.goto(self._url)
        self._page.get_by_role("textbox", name="Name", exact=True).fill("ann")
        self._page.get_by_role("button", name="Join", exact=True).click()
        self._enter("#ops")
        self._page.goto(f"{self._url}/ops")
        self._page.get_by_role("textbox", name="Message to #ops").wait_for()
        self._page.wait_for_function("() => performance.getEntriesByName('welcome').length")
        self.figures |= self._page.evaluate(_COMING)

    def _enter(self, room: str) -> None:
        field = self._page.get_by_role("textbox", name="Open a room or a person")
        field.fill(room)
        field.press("Enter")
        self._page.get_by_role("textbox", name=f"Message to {room}", exact=True).wait_for()

    def _shows(self, text: str) -> None:
        self._page.wait_for_function(
            "(text) => [...document.querySelectorAll('article')].at(-1)?.textContent.includes(text)", arg=text
        )

    def _one_more(self, bob: Speaker) -> None:
        bob.says("#ops", [f"{_TEXT} {number}" for number in range(2100)])
        self._shows(f"{_TEXT} 2099")
        self._page.wait_for_timeout(2000)
        costs = []
        for number in range(_SINGLE):

            def one_more(text: str = f"one more {number}") -> None:
                bob.says("#ops", [text])
                self._shows(text)

            costs.append(spent(self._session, one_more))
        self.figures["one_more_in_2000"] = statistics.median(costs)

    def _flood(self, bob: Speaker) -> None:
        self._page.evaluate(_WATCH_KEYS)
        self._page.get_by_role("textbox", name="Message to #ops").focus()
        flood = threading.Thread(target=self._pour, args=(bob,))
        flood.start()
        pressed = 0
        while flood.is_alive():
            self._page.keyboard.press("a")
            pressed += 1
            self._page.wait_for_timeout(50)
        flood.join()
        slow: list[float] = self._page.evaluate("() => globalThis.keys")
        # Those that took less than 16 ms are not told of.
        durations = [*slow, *[16.0] * (pressed - len(slow))]
        self.figures |= {"flood_key_p50": statistics.median(durations), "flood_key_p95": p95(durations)}

    def _pour(self, bob: Speaker) -> None:
        begun, said = time.monotonic(), 0
        while (passed := time.monotonic() - begun) < _SECONDS:
            due = int(passed * _RATE) - said
            bob.says("#ops", [f"{_TEXT} {said + number}" for number in range(due)])
            said += due
            time.sleep(_SLICE)
        self.figures["flood_messages"] = said

    def _many_rooms(self, bob: Speaker, rooms: list[str]) -> None:
        for room in rooms:
            self._enter(room)
        for room in rooms:
            bob.says(room, [f"{_TEXT} {number}" for number in range(_HELD)])
        for room in rooms:
            self._page.get_by_role("navigation").locator(f"[data-of='{room}']").click()
            self._page.get_by_role("textbox", name=f"Message to {room}", exact=True).wait_for()
            self._page.wait_for_timeout(50)
        self._session.send("HeapProfiler.collectGarbage")
        after = metrics(self._session)
        self.figures |= {"heap_mb": after["JSHeapUsedSize"] / 1e6, "dom_nodes": after["Nodes"]}

    def _long(self) -> None:
        before = metrics(self._session)
        self.figures["long_built"] = self._page.evaluate(_LONG, _TEXT)
        self._page.wait_for_timeout(500)
        after = metrics(self._session)
        self.figures["long_layout"] = 1000 * (after["LayoutDuration"] - before["LayoutDuration"])
        frames: list[float] = self._page.evaluate(_SCROLL)
        self.figures |= {"long_frame_p50": statistics.median(frames), "long_frame_p95": p95(frames)}


def main() -> None:
    """Measure in rounds, and print the medians."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    rounds: list[Figures] = []
    path = chromium.find()
    if path is None:
        sys.exit("there is no chromium here")
    for _ in range(options.parse_args().rounds):
        with (
            tempfile.TemporaryDirectory() as folder,
            serving(Path(folder) / "log") as (_, address),
            chromium.launched(path, Path(folder)) as browser,
        ):
            bench = Bench(browser, address)
            bench.run()
            rounds.append(bench.figures)
    medians = {name: round(statistics.median(one[name] for one in rounds), 1) for name in rounds[0]}
    sys.stdout.write(json.dumps(medians) + "\n")


if __name__ == "__main__":
    main()
