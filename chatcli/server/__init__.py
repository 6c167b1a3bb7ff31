"""The chat server: listeners take connections, a session speaks with one of them, the hub knows who is here.

What the parts do not know: the hub knows no sockets, a session knows no event loop, a listener knows no frames. Only
:mod:`chatcli.server.app` and :mod:`chatcli.server.listeners` import asyncio.
"""
