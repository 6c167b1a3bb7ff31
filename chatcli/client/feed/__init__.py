"""A user's feed as listeners read it, on asyncio: knows nothing of how messages are shown."""
