"""The clients: the one-shot sender on a blocking socket, and the interactive client on asyncio.

Neither knows anything of the server but the protocol. :mod:`chatcli.client.oneshot` imports neither asyncio nor
prompt_toolkit: a script that says one thing must not wait for them.
"""
