"""The load generator: many connections from processes of their own, and a count of what became of their messages.

It knows no command line and no server's insides: it reaches the server through its port, and may speak another protocol
(:class:`chatcli.bench.dialect.Dialect`), so that servers of other kinds can be compared.
"""
