"""One request or one message on a blocking socket: knows no asyncio."""
