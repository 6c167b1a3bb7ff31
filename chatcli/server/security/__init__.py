"""Certificates, codes, limits and the audit log: know no chat."""
