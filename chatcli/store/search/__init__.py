"""The index of the search and its queries: knows no server."""
