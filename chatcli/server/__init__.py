"""The chat server: listeners accept connections, a session serves one of them, the hub owns what they share.

The hub knows no sockets, a session knows no event loop, a listener knows no frames. Only :mod:`chatcli.server.app` and
:mod:`chatcli.server.listeners` import asyncio.
"""
