"""Firefox of this system, driven over WebDriver BiDi by hand: Playwright drives builds of its own only."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Final, Self

from websockets.sync.client import connect

from tests.support import DEADLINE

PROGRAMS: Final = ("firefox-esr", "firefox")
_LISTENING: Final = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
_BUTTON: Final = {"button": 0}
_ENTER: Final = "\ue006"  # as WebDriver writes that key
#: Nothing is fetched or shown that a first start has.
_PREFERENCES: Final = """
user_pref("app.update.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("browser.safebrowsing.update.enabled", false);
user_pref("services.settings.server", "http://127.0.0.1:9/");
"""


def find() -> str | None:
    """Return the path of a Firefox, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Firefox:
    """A window without a screen: what a person does in one tab.

    A new one with the same folder is the same profile.
    """

    def __init__(self, path: str, folder: Path) -> None:
        profile = folder / "profile"
        profile.mkdir(parents=True, exist_ok=True)
        (profile / "user.js").write_text(_PREFERENCES)
        where = ("--profile", str(profile), "--no-remote", "--headless", "--remote-debugging-port", "0")
        env = {**os.environ, "HOME": str(folder), "MOZ_HEADLESS_WIDTH": "1280", "MOZ_HEADLESS_HEIGHT": "720"}
        self._log = folder / "firefox.log"
        self._id = 0
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(self._log.open("w"))
            self._process = subprocess.Popen([path, *where, "about:blank"], stdout=log, stderr=log, env=env)
            stack.callback(self._end)
            self._socket = stack.enter_context(connect(f"{self._address()}/session", max_size=None, proxy=None))
            self._asks("session.new", capabilities={})
            self._tab = self._asks("browsingContext.getTree")["contexts"][0]["context"]
            self._stack = stack.pop_all()

    def _address(self) -> str:
        deadline = time.monotonic() + DEADLINE
        while not (found := _LISTENING.search(self._log.read_text())):
            assert time.monotonic() < deadline, self._log.read_text()
            assert self._process.poll() is None, self._log.read_text()
            time.sleep(0.02)
        return found[1]

    def _asks(self, method: str, **parameters: object) -> dict[str, Any]:
        """Give a command, and return its result."""
        self._id += 1
        self._socket.send(json.dumps({"id": self._id, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv(DEADLINE))).get("id") != self._id:
            pass
        assert answer["type"] == "success", answer
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, url: str) -> None:
        """Go to an address, and wait until it is loaded."""
        self._asks("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    def reload(self) -> None:
        """Press F5."""
        self._asks("browsingContext.reload", context=self._tab, wait="complete")

    def call(self, function: str, *elements: dict[str, Any]) -> Any:  # noqa: ANN401 (as the function)
        """Call a function of JavaScript with elements, and return its result, which has to be a simple value."""
        target, values = {"context": self._tab}, [{"sharedId": element["sharedId"]} for element in elements]
        answer = self._asks(
            "script.callFunction", functionDeclaration=function, target=target, arguments=values, awaitPromise=True
        )
        assert answer["type"] == "success", answer
        return answer["result"].get("value")

    def find(self, role: str, name: str) -> dict[str, Any]:
        """Wait until there is an element of a role with a name, and return it."""
        locator = {"type": "accessibility", "value": {"role": role, "name": name}}
        deadline = time.monotonic() + DEADLINE
        while not (found := self._asks("browsingContext.locateNodes", context=self._tab, locator=locator)["nodes"]):
            assert time.monotonic() < deadline, f"no {role} {name!r} in {self.call('() => document.body.innerText')}"
            time.sleep(0.05)
        node: dict[str, Any] = found[0]
        return node

    def shows(self, text: str) -> None:
        """Wait until a text is on the page."""
        deadline = time.monotonic() + DEADLINE
        while text not in (shown := self.call("() => document.body.innerText")):
            assert time.monotonic() < deadline, f"{text!r} is not in {shown!r}"
            time.sleep(0.05)

    def edit(self, name: str) -> None:
        """Click a field until it has the focus: the page may move it away from under the mouse."""
        deadline = time.monotonic() + DEADLINE
        while not self._click_field(name):
            assert time.monotonic() < deadline, f"{name!r} does not get the focus"

    def _click_field(self, name: str) -> bool:
        self.click("textbox", name)
        focused: bool = self.call("(field) => field === document.activeElement", self.find("textbox", name))
        return focused

    def click(self, role: str, name: str) -> None:
        """Click what has this role and name."""
        element = {"type": "element", "element": {"sharedId": self.find(role, name)["sharedId"]}}
        moves = [{"type": "pointerMove", "x": 0, "y": 0, "origin": element}]
        presses = [{"type": "pointerDown", **_BUTTON}, {"type": "pointerUp", **_BUTTON}]
        self._acts({"type": "pointer", "id": "mouse", "actions": [*moves, *presses]})

    def types(self, text: str) -> None:
        """Press the keys of a text, in which a line feed is Enter."""
        keys = text.replace("\n", _ENTER)
        pairs = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._acts({"type": "key", "id": "keyboard", "actions": pairs})

    def _acts(self, source: dict[str, Any]) -> None:
        self._asks("input.performActions", context=self._tab, actions=[source])

    def screenshot(self, path: Path) -> None:
        """Take a picture of the page."""
        path.write_bytes(base64.b64decode(self._asks("browsingContext.captureScreenshot", context=self._tab)["data"]))

    def close(self) -> None:
        """Quit."""
        self._asks("browser.close")
        self._process.wait(DEADLINE)

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(DEADLINE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
