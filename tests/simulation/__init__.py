"""Simulations of several servers in one thread, without sockets and without an event loop: the test moves the time."""
