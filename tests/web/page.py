"""A person in front of the page: what people do there, by the roles and labels that assistive technology is told.

There is no CSS class and no id in it. What it needs of the page is the agreement between the page and its tests.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Self

from tests.support import eventually
from tests.web.chromium import Watch, settle

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page

_JOIN: Final = re.compile("^Join(ing…)?$")
_COMPOSER: Final = re.compile(r"^Message to (.+)$")
_TIME: Final = re.compile(r"^(.+?), \d\d:\d\d: ", re.DOTALL)
_UNREAD: Final = re.compile(r", (\d+) unread")


class ChatPage:
    """A tab with the page.

    Attributes:
        page: the tab itself, for what has no verb here.
        context: the browser profile, which is the person: all its tabs have one key, one storage and one network.
        watch: what went wrong in the tabs of the profile.
    """

    def __init__(self, page: Page, watch: Watch, url: str) -> None:
        self.page = page
        self.context: BrowserContext = page.context
        self.watch = watch
        self._url = url
        self._others: list[ChatPage] = []

    def another_tab(self, path: str = "/") -> ChatPage:
        """Open the page in another tab of the same person."""
        tab = ChatPage(self.context.new_page(), self.watch, self._url)
        self._others.append(tab)
        tab.go(path)
        return tab

    @property
    def tabs(self) -> list[ChatPage]:
        """This tab, and the others that were opened from it."""
        return [self, *(tab for other in self._others for tab in other.tabs)]

    def go(self, path: str) -> Self:
        """Open an address of the server, as one that is typed into the address bar."""
        self.page.goto(self._url + path)
        return self

    def reload(self) -> None:
        """Press F5."""
        self.page.reload()

    def lose_network(self) -> None:
        """Pull the plug of this browser."""
        self.watch.tolerate("ERR_INTERNET_DISCONNECTED|WebSocket")
        self.context.set_offline(True)

    def find_network(self) -> None:
        """Put it in again."""
        self.context.set_offline(False)

    def tolerate(self, pattern: str) -> Self:
        """Let complaints pass in which this regular expression is found, such as ``WebSocket`` when the server ends."""
        self.watch.tolerate(pattern)
        return self

    # Coming in.

    @property
    def name_field(self) -> Locator:
        """The field for the name."""
        return self.page.get_by_role("textbox", name="Name", exact=True)

    @property
    def join_button(self) -> Locator:
        """The button beside it, also while the server is asked."""
        return self.page.get_by_role("button", name=_JOIN)

    def ask_for(self, name: str) -> None:
        """Ask for a name, which may be refused."""
        self.name_field.fill(name)
        self.join_button.click()

    def come_in(self, name: str) -> Self:
        """Ask for a name, and be let in."""
        self.ask_for(name)
        self.join_button.wait_for(state="detached")
        return self

    # Landmarks.

    @property
    def main(self) -> Locator:
        """The landmark with the conversation."""
        return self.page.get_by_role("main")

    @property
    def sidebar(self) -> Locator:
        """The landmark with the conversations."""
        return self.page.get_by_role("navigation", name="Conversations")

    @property
    def timeline(self) -> Locator:
        """The log of the conversation that is open."""
        return self.main.get_by_role("log")

    @property
    def composer(self) -> Locator:
        """The field for what one says."""
        return self.main.get_by_role("textbox", name=_COMPOSER)

    @property
    def send_button(self) -> Locator:
        """The button beside it."""
        return self.main.get_by_role("button", name="Send", exact=True)

    @property
    def status(self) -> Locator:
        """The region that tells of the connection, and of many messages at once."""
        return self.page.get_by_role("status")

    # Talking.

    def say(self, text: str) -> None:
        """Write and press Enter."""
        self.composer.fill(text)
        self.composer.press("Enter")

    def send(self, text: str) -> None:
        """Say something, and wait until the server has it."""
        self.say(text)
        beginning = text.partition("`")[0].strip()
        self.article(beginning).filter(has_not_text="Waiting for the server").last.wait_for()

    def article(self, text: str) -> Locator:
        """A message with this text."""
        return self.timeline.get_by_role("article").filter(has_text=text)

    def messages(self) -> list[str]:
        """Return the messages from the oldest to the newest, as in ``ann: hello``; long ones are cut, as in a label."""
        names: list[str] = self.timeline.get_by_role("article").evaluate_all(
            "(nodes) => nodes.map((node) => node.getAttribute('aria-label'))"
        )
        return [_TIME.sub(r"\1: ", name) for name in names]

    def shows(self, text: str) -> None:
        """Wait until a message with this text is there, once."""
        try:
            eventually(lambda: self.article(text).count() == 1)
        except AssertionError:
            raise AssertionError(f"{text!r} is not there once: {self.messages()}") from None

    def has(self, *messages: str) -> None:
        """Wait until exactly these messages are there, as :meth:`messages` returns them."""
        try:
            eventually(lambda: self.messages() == [*messages])
        except AssertionError:
            raise AssertionError(f"{self.messages()} and not {[*messages]}") from None

    def says(self, sentence: str) -> None:
        """Wait until a sentence stands anywhere on the page."""
        self.page.get_by_text(sentence).first.wait_for()

    # Conversations.

    def link(self, conversation: str) -> Locator:
        """The link to a conversation at the side: its name, and behind a comma what is new there."""
        return self.sidebar.get_by_role("link", name=re.compile(rf"^{re.escape(conversation)}(,|$)"))

    def find(self, name: str) -> None:
        """Open a room, which is entered, or a person by the name."""
        field = self.page.get_by_role("textbox", name="Open a room or a person")
        field.fill(name)
        field.press("Enter")
        self.is_at(name)

    def open(self, conversation: str) -> None:
        """Open a conversation from the side."""
        self.link(conversation).click()
        self.is_at(conversation)

    def enter(self, conversation: str) -> Self:
        """Open a room, which is made if there is none, or a person, by the name that one types."""
        field = self.sidebar.get_by_role("textbox", name="Open a room or a person")
        field.fill(conversation)
        field.press("Enter")
        self.is_at(conversation)
        return self

    def is_at(self, conversation: str) -> None:
        """Wait until a conversation is open."""
        self.main.get_by_role("textbox", name=f"Message to {conversation}", exact=True).wait_for()

    def is_open(self) -> str:
        """Return the name of the open conversation."""
        return self.main.get_by_role("heading", level=1).inner_text()

    def conversations(self) -> list[str]:
        """Return the accessible names of the links at the side, in their order."""
        return [name.removeprefix('link "').removesuffix('"') for name in self._names(self.sidebar, "link")]

    def unread(self, conversation: str) -> int:
        """Return the number of unread messages beside a conversation."""
        found = next(name for name in self.conversations() if re.split(r",", name)[0] == conversation)
        count = _UNREAD.search(found)
        return int(count[1]) if count else 0

    def tree(self) -> str:
        """Return the accessibility tree, as Playwright writes it."""
        return self.page.locator("body").aria_snapshot()

    def _names(self, region: Locator, role: str) -> list[str]:
        return re.findall(rf'{role} "(?:[^"\\]|\\.)*"', region.aria_snapshot())

    def settle(self) -> None:
        """Hear all events that the browser has sent so far."""
        for tab in self.tabs:
            settle(tab.page)
