"""Messages on disk until the server has them: knows nothing of asyncio."""
