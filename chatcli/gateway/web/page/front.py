"""The page at the root: it says what this is, and how to join."""

from __future__ import annotations

import base64
import hashlib
import html
from typing import Final

from chatcli.gateway.web.answers import TEXT, Content
from chatcli.gateway.web.heads import Head
from chatcli.gateway.web.page.headers import with_style
from chatcli.protocol.values.address import SCHEMES
from chatcli.protocol.values.authority import Authority, parse_authority
from chatcli.protocol.values.text import command_line

_HTML: Final = "text/html; charset=utf-8"

_STYLE: Final = """
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 40rem; padding: 1.5rem 1rem; font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.1rem; margin: 1.5rem 0 0.5rem; }
p { margin: 0.5rem 0; }
code { font: 0.9rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { margin: 0.5rem 0; padding: 0.75rem; border: 1px solid; border-radius: 0.25rem; white-space: pre-wrap; }
"""
_DIGEST: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = with_style(_DIGEST)

_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>chatcli</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>This is a chatcli server</h1>
<p>A chat for people who live in terminals, and for their scripts.</p>
<h2>Join</h2>
<p>In a terminal, with the program <code>chatcli</code> installed:</p>
<pre><code>{command}</code></pre>
<p>The first time, <code>join</code> shows the key of the server:</p>
<pre><code>{fingerprint}</code></pre>
<p>Compare it with the key that the person who runs the server has given you, and not only with this page: whoever could
put another server in the place of this one could change the page, too.</p>
<h2>From a script</h2>
<p>With a token, which <code>chatcli key token</code> makes, this says something in the room <code>#ops</code>:</p>
<pre><code>{curl}</code></pre>
</main>
</body>
</html>
"""
_BROWSER: Final = """Or in a browser:
    {page}

"""
_TEXT: Final = """This is a chatcli server: a chat for people who live in terminals, and for their scripts.

To join, in a terminal:
    {command}

{browser}The key of the server, to be compared with the one that you were given by the person who runs it:
    {fingerprint}

With a token, which "chatcli key token" makes, this says something in the room #ops:
    {curl}
"""


def front_page(head: Head, fingerprint: str, forwarded: str, *, secure: bool, chat: bool) -> Content:
    """Return the page at the root: as HTML for browsers that get no other page there, as text for anything else.

    Args:
        head: the request.
        fingerprint: of the server's key.
        forwarded: the host by which a proxy was called, if it has said so and is believed.
        secure: whether the request came within TLS.
        chat: whether browsers get the page of the chat.
    """
    address, base = _addresses(head, forwarded, secure=secure)
    # A proxy has a certificate of its own, and no authority knows the server's.
    direct = secure and not head.forwarded
    pin = f' -k --pinnedpubkey "sha256//{fingerprint.partition(":")[2]}="' if direct else ""
    words = {
        "command": command_line("chatcli", "join", "--server", address).strip(),
        "fingerprint": fingerprint,
        "curl": f'curl{pin} -d "deploy done" -H "Authorization: Bearer $TOKEN" {base}/ops',
    }
    if not head.wants_html:
        browser = _BROWSER.format(page=f"{base}/") if chat else ""
        return Content(TEXT, _TEXT.format(**words, browser=browser).encode(), [("Vary", "Accept")])
    escaped = {name: html.escape(value) for name, value in words.items()}
    return Content(_HTML, _PAGE.format(style=_STYLE, **escaped).encode(), _HEADERS)


def _addresses(head: Head, forwarded: str, *, secure: bool) -> tuple[str, str]:
    """Return the server's address for the program, and that for HTTP, as the caller has reached it."""
    own = parse_authority(head.headers.get("host", ""))
    if head.forwarded:
        named = parse_authority(forwarded) or own
        return (f"https://{named}", f"https://{named}") if named is not None else ("HOST", "https://HOST")
    if own is None:
        return "HOST", "https://HOST"
    scheme = "https" if secure else "http"
    return str(Authority(own.host, own.port or SCHEMES[scheme])), f"{scheme}://{own}"
