"""A handler for each frame: know no sockets and no loop."""
