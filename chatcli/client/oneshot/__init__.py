"""One request, or some messages, on a blocking socket: knows nothing of asyncio."""
