"""The interactive client on a terminal, by prompt_toolkit, which is imported nowhere else.

It draws events and reads keys. The meaning of lines and frames is decided in :mod:`chatcli.client.chat.chat`.
"""
