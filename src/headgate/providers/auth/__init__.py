"""Credentials that are more than a fixed header line: one file for each cloud, none of which knows a deployment."""
