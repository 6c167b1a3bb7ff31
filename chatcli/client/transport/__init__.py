"""Connections to a server, blocking and on asyncio; they know nothing of conversations."""
