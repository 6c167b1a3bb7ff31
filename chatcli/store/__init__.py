"""The log: every message in the order in which it was committed, who exists, and how far each of them has read.

Nothing here knows of sockets, sessions or asyncio: results are handed back through one callable that the owner gives.
"""
