"""The interactive client without its screen: knows asyncio, and no prompt_toolkit."""
