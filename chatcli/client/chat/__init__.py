"""The sans-I/O core of the interactive client: knows no sockets, no files and no asyncio."""
