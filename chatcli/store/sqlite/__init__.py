"""The log's database; it does not know the server."""
