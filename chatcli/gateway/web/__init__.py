"""HTTP: requests as frames, and frames as answers. It knows no sockets, no event loop, no clock and no hub."""
