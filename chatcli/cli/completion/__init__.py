"""Shell completion: knows no server and imports as little as possible."""
