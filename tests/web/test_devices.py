"""The devices of a name: from browser to terminal and back, revoked, recovered, forgotten."""

from __future__ import annotations

import shlex

import segno
from playwright.sync_api import Locator, expect

from tests.web.axe import findings
from tests.web.conftest import Join, OpenPage
from tests.web.modules import run
from tests.web.page import ChatPage
from tests.web.servers import WebServer


def keep(page: ChatPage) -> Locator:
    """Open the devices from the bar that a newcomer sees, and return the dialog."""
    page.page.get_by_role("button", name="Keep the name…").click()
    dialog = page.page.get_by_role("dialog", name="Devices of")
    dialog.get_by_role("listitem").first.wait_for()
    return dialog


def add_device(dialog: Locator) -> tuple[str, str]:
    """Make a code, and return its address and its command."""
    dialog.get_by_role("button", name="Add a device").click()
    dialog.get_by_text("For one device, and for").wait_for()
    codes = dialog.get_by_role("code")
    address = codes.filter(has_text="#name=").inner_text()
    return address, codes.filter(has_text="--link").inner_text()


def test_terminal_from_the_page(server: WebServer, open_page: OpenPage, join: Join) -> None:
    """The page shows the command with which a terminal has the name, too; the bar is gone for good then."""
    page = open_page(server, "/ops").come_in("ann")
    page.says("The name ann lives in this browser only")
    dialog = keep(page)
    assert findings(page) == []
    _, command = add_device(dialog)
    words = shlex.split(command)
    assert words[:2] == ["chatcli", "join"]
    assert words[words.index("--server") + 1] == str(server.address)
    terminal = join(server, "ann", "--link", words[words.index("--link") + 1], "--attach")
    terminal.types("/join #ops\r")
    terminal.shows_input("#ops ›")
    dialog.get_by_role("button", name="Close").click()
    page.page.reload()
    page.say("from the browser")
    terminal.shows("from the browser")
    page.page.wait_for_timeout(1500)
    assert page.page.get_by_role("button", name="Keep the name…").count() == 0


def test_another_browser(server: WebServer, open_page: OpenPage) -> None:
    """The address of a code gives another browser the name; either one sees both, and may revoke the other."""
    page = open_page(server, "/ops").come_in("ann b".replace(" ", "+"))
    dialog = keep(page)
    address, _ = add_device(dialog)
    assert address.startswith(f"{server.url}/#")
    dialog.get_by_text("This address works on this machine only.").wait_for()
    assert dialog.get_by_role("img", name="QR code of the address").count() == 0
    other = open_page(server, address.removeprefix(server.url))
    assert other.name_field.input_value() == "ann+b"
    other.join_button.click()
    other.join_button.wait_for(state="detached")
    page.says("Your name has had one more key since")
    devices = dialog.get_by_role("list", name="Devices").get_by_role("listitem")
    expect(devices).to_have_count(2)
    assert devices.filter(has_text="(this browser)").count() == 1
    other.page.wait_for_timeout(300)
    assert other.page.get_by_text("Your name has had one more key").count() == 0, "it knows of itself"
    dialog.get_by_role("button", name="Revoke").click()
    dialog.get_by_role("button", name="Revoke", exact=True).click()
    expect(devices).to_have_count(1)
    bar = other.page.get_by_role("region", name="Notice").filter(has_text="The key of this device was revoked.")
    bar.get_by_role("button", name="Come in again").click()
    other.says("This browser is no device of ann+b any more.")


def test_recovery_token(server: WebServer, open_page: OpenPage) -> None:
    """A token that was kept brings the name back to a browser that has forgotten everything."""
    page = open_page(server, "/ops").come_in("ann")
    dialog = keep(page)
    dialog.get_by_role("button", name="Make a recovery token").click()
    token = dialog.get_by_role("code").filter(has_text="cct_").inner_text()
    dialog.get_by_role("list", name="Tokens").get_by_text("brings the name back").wait_for()
    dialog.get_by_role("button", name="Forget me here").click()
    dialog.get_by_text("This browser has the only key of ann.").wait_for()
    dialog.get_by_role("button", name="Forget me here", exact=True).click()
    page.ask_for("ann")
    page.says("ann is taken.")
    page.page.get_by_role("button", name="I am ann").click()
    page.page.get_by_role("textbox", name="Code from another device").fill(token)
    page.join_button.click()
    page.join_button.wait_for(state="detached")


def test_bar_is_said_once(server: WebServer, open_page: OpenPage) -> None:
    """A dismissed bar does not come back."""
    page = open_page(server).come_in("ann")
    page.page.get_by_role("button", name="Not now").click()
    page.page.reload()
    page.sidebar.wait_for()
    page.page.wait_for_timeout(1500)
    assert page.page.get_by_role("button", name="Not now").count() == 0


def test_own_keys(server: WebServer, open_page: OpenPage) -> None:
    """The dialog has the key of the server as it prints it."""
    page = open_page(server).come_in("ann")
    shown = keep(page).get_by_role("code").filter(has_text="SHA256:").inner_text()
    assert any(shown in line for line in (*server.program.out, *server.program.err))


def test_qr_codes(server: WebServer, open_page: OpenPage) -> None:
    """The page draws what segno draws, in each size."""
    page = open_page(server)
    for length in (17, 32, 53, 78, 106, 134, 154, 192, 230, 271):
        text = (f"{server.url}/#name=alice&link=bazu-kito-mafi&" * 9)[:length]
        script = """return (await load("views/account/qr.js")).encode(argument).map((row) => row.map(Number))"""
        code = segno.make(text, mode="byte", error="l", mask=0, boost_error=False, micro=False)
        assert run(page, script, text) == [list(row) for row in code.matrix]
