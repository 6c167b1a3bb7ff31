"""Accept connections and detect their protocols by the first bytes, all on one port; and the operators' socket.

A listener knows sockets and sessions. It knows neither frames nor users.
"""
