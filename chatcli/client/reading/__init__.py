"""What is read: unread counts, and the attention of the person at a terminal. It knows neither lines nor screens."""
