"""A model of who may see which message, and devices that compare it with a server's frames."""
