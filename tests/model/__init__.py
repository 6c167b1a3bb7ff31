"""What a server is held to: a model of who may see which message, and devices that compare it with what they get."""
