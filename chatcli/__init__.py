"""chatcli: a chat for people who live in terminals, over one durable log.

Importing the package costs nothing: each part is imported by the command that needs it.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
