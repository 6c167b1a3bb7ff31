"""Commands about what is unread: the list of conversations, and read positions."""
