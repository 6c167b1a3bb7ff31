"""Writes the log: decides about every record and message from the database and what came before it alone."""
