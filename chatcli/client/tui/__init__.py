"""The interactive client on prompt_toolkit: one file for each of its concerns.

Only here is prompt_toolkit imported. What is said and what it means is decided in :mod:`chatcli.client.chat.chat`.
"""
