"""Links to the page of a server, with what a browser needs to get in after ``#``: browsers send that to nobody.

The page reads it with ``new URLSearchParams(location.hash.slice(1))``.
"""

from __future__ import annotations

from typing import NamedTuple

from chatcli.protocol.values.address import Address


class Fragment(NamedTuple):
    """The fields after ``#``; those that are empty are left out.

    Attributes:
        name: the name that a code is for.
        link: a code that gives a browser this name: from another device, or from an operator.
        invite: a code for newcomers, from an operator.
        pin: the fingerprint of the server's key.
    """

    name: str = ""
    link: str = ""
    invite: str = ""
    pin: str = ""

    def __str__(self) -> str:
        from urllib.parse import quote  # noqa: PLC0415 (few commands make links)

        fields = self._asdict().items()
        return "&".join(f"{field}={quote(value, safe='')}" for field, value in fields if value)


def parse_fragment(text: str) -> Fragment:
    """Return the fields of a fragment, with or without its ``#``; those that are not known are ignored.

    As in the page, the last of several fields with one name counts, and invalid UTF-8 is replaced.
    """
    from urllib.parse import parse_qsl  # noqa: PLC0415 (as above)

    pairs = parse_qsl(text.removeprefix("#"), keep_blank_values=True)
    return Fragment(**{field: value for field, value in pairs if field in Fragment._fields})


def page_url(page: Address, fragment: Fragment) -> str:
    """Return the link to a page, whose address has a scheme; it is all in ASCII."""
    return f"{page}/#{fragment}"
