"""Other protocols on the server's port: what a caller speaks, and translators between that and our frames.

A gateway is bytes in, frames out, and back. It knows no sockets, no event loop, no clock and no hub.
"""
