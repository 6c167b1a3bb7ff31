"""The command line: each command turns its options into one call.

Only here is click imported, and only here are its errors raised. Commands import what they run when they run it,
so that the others start fast.
"""
