"""What the server holds in memory: knows no sockets, no loop and no session."""
