"""The payloads of other products, as texts: each module knows one format, and none knows how it arrived."""
