"""Measures what a server holds: many connections from processes of their own, and what became of what they said.

It knows no command line and no server's insides: what is measured is reached through its port, and may speak another
protocol (:class:`chatcli.bench.dialect.Dialect`), so that servers of other kinds can stand beside ours.
"""
