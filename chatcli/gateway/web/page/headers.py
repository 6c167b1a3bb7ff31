"""The headers of the pages and of their files: what a browser may do with them."""

from __future__ import annotations

from typing import Final

_NOTHING_ELSE: Final = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

#: Headers of each page: no other page shares its window or its content, and it has no use for these devices.
APART: Final = (
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), microphone=(), geolocation=()"),
)

#: The policy of the page of the chat. All that it needs comes from here; "self" includes its WebSocket. Nothing makes
#: script, style or HTML of a text.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    f"manifest-src 'self'; {_NOTHING_ELSE}; require-trusted-types-for 'script'; trusted-types 'none'"
)
#: Its headers.
CHAT: Final = (
    ("Content-Security-Policy", _POLICY),
    *APART,
    ("Vary", "Accept, Accept-Encoding"),
)

#: Headers of its files. The content of a file never changes, as its address has a digest. Alone it does nothing.
FILE: Final = (
    ("Content-Security-Policy", f"default-src 'none'; {_NOTHING_ELSE}; sandbox"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "public, max-age=31536000, immutable"),
    ("Vary", "Accept-Encoding"),
)


def with_style(digest: str) -> tuple[tuple[str, str], ...]:
    """Return the headers of a page whose only style is inline.

    Args:
        digest: the SHA-256 of the style, in Base64.
    """
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; {_NOTHING_ELSE}"
    return (("Content-Security-Policy", policy), *APART, ("Vary", "Accept"))
