"""Everything that is printed: knows no options and no server."""
