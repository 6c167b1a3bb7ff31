"""Addresses that ``--web`` prints, opened in a browser."""

from __future__ import annotations

from pathlib import Path

from tests.support import chatcli
from tests.web.conftest import Join, OpenPage, Serve
from tests.web.servers import WebServer


def opened(server: WebServer, printed: str) -> str:
    """Return the path of a printed address, which is the server's."""
    assert printed.startswith(f"{server.url}/#"), printed
    return printed.strip().removeprefix(server.url)


def test_name_from_a_terminal(server: WebServer, join: Join, open_page: OpenPage, tmp_path: Path) -> None:
    """The browser has the name, with a key of its own; the code is not in its address, and good for no other."""
    name = "李.小龍+1"
    terminal = join(server, name)
    terminal.shows("You are ")
    config = str(tmp_path / f"home-{name}" / "config")
    own = ("--server", str(server.address), "--user", name)
    path = opened(server, chatcli("key", "link", "--web", *own, XDG_CONFIG_HOME=config).stdout)
    page = open_page(server, path)
    assert page.page.url == f"{server.url}/"
    assert page.name_field.input_value() == name
    page.join_button.click()
    page.join_button.wait_for(state="detached")
    keys = chatcli("key", "list", *own, XDG_CONFIG_HOME=config).stdout
    assert len(keys.splitlines()) == 2
    late = open_page(server, path)
    late.join_button.click()
    late.page.get_by_role("alert").wait_for()


def test_invitation(serve: Serve, open_page: OpenPage) -> None:
    """A newcomer has to choose a name, and nothing else."""
    server = serve("--access", "invite")
    path = opened(server, chatcli("admin", "invite", "--web", "--data", str(server.data)).stdout)
    open_page(server, path).come_in("dave")
    page = open_page(server, path)
    page.ask_for("mallory")
    page.page.get_by_role("alert").wait_for()


def test_lost_key(server: WebServer, open_page: OpenPage) -> None:
    """A person who has lost all keys comes back under the same name."""
    lost = open_page(server).come_in("erin")
    lost.page.close()
    path = opened(server, chatcli("admin", "link", "--web", "erin", "--data", str(server.data)).stdout)
    page = open_page(server, path)
    assert page.name_field.input_value() == "erin"
    page.join_button.click()
    page.join_button.wait_for(state="detached")


def test_recovery_token(server: WebServer, join: Join, open_page: OpenPage, tmp_path: Path) -> None:
    """In the place of a code it gives a browser the name, once; the list of keys says which one that is."""
    join(server, "erin").shows("You are ")
    config = str(tmp_path / "home-erin" / "config")
    own = ("--server", str(server.address), "--user", "erin")
    token = chatcli("key", "token", "--scope", "recover", *own, XDG_CONFIG_HOME=config).stdout.strip()
    page = open_page(server, f"/#name=erin&link={token}", scheme="https")
    page.join_button.click()
    page.join_button.wait_for(state="detached")
    assert chatcli("key", "tokens", *own, XDG_CONFIG_HOME=config).stdout == ""
    late = open_page(server, f"/#name=erin&link={token}")
    late.join_button.click()
    late.page.get_by_role("alert").wait_for()
    terminal, browser = chatcli("key", "list", *own, XDG_CONFIG_HOME=config).stdout.splitlines()
    assert terminal.split("\t")[2].startswith("chatcli on ")
    assert browser.split("\t")[2] == "Chrome on Linux"
