"""Small files of the user's: know no protocol and no connection."""
