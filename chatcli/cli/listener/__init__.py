"""The run of ``chatcli listen``: knows no options."""
