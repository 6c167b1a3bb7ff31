"""Handlers of frames. They know no sockets and no event loop."""
