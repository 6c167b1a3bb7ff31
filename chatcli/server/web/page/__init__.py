"""The files of the web page, as the server has them in memory."""
