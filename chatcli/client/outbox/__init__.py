"""Messages kept on disk until the server has them: knows no asyncio."""
