"""The protocol, shared by server and clients: frames, codec, states, names, and the ``bob: hi`` grammar.

Nothing here does I/O, sleeps, reads the clock or uses random numbers: bytes in, frames out. So the same code serves the
server, the interactive client and the one-shot commands, and all of it is tested without a socket. The wire format is
specified in ``docs/protocol.md``; a test keeps that page and this package in step.
"""
