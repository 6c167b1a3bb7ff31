"""The log: all messages in the order in which they were committed, users, rooms, and read positions.

Nothing here knows sockets, sessions or asyncio: results are returned through a callable that the owner passes.
"""
