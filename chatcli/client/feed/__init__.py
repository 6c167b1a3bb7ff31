"""The feed of a user, and requests beside it, on asyncio: knows nothing of how messages are shown."""
