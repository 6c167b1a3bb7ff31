"""What programs import, on asyncio: knows no terminal."""
