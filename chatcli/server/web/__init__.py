"""Callers by HTTP: connections, requests and streams, between the gateway and sessions. It knows no sockets."""
