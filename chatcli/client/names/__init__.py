"""Names that change hands or keys: their sentences, and the changes that the user has yet to confirm."""
