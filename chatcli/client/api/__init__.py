"""The library for programs, on asyncio: knows nothing of terminals."""
