"""Certificates, codes, rate limits and the audit log. They know users, but neither messages nor handlers."""
