"""The terminal under the screen: keys in, escape sequences out; knows no chat."""
