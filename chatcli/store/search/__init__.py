"""The search index and its queries; it does not know the server."""
