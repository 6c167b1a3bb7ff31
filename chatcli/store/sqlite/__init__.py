"""The log's database: knows no server."""
