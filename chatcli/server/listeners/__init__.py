"""What takes connections: one class each, beside each other on one port, told apart by the first bytes.

A listener knows sockets and sessions; it knows neither frames nor who is here.
"""
