"""The pages of the server: that of the chat, with its files, and the one that says what this is."""
