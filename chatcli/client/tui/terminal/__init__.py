"""The terminal: keys in, escape sequences out, without knowledge of the chat."""
