"""Who the user is and which servers are trusted: knows no connection."""
