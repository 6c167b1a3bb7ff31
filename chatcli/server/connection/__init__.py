"""One connection: the session, and what it consists of.

It knows no sockets and no event loop. A listener gives it bytes, and a :class:`~chatcli.server.connection.wire.Wire` to
write to.
"""
