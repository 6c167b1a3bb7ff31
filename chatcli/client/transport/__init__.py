"""Connections to a server, blocking and on asyncio: know nothing of messages."""
