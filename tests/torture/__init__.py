"""Many clients, a server that is killed again and again, and a ledger of all messages."""
