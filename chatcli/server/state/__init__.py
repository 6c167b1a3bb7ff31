"""The server's state in memory. It does no I/O, and knows connections only as protocols of the model."""
