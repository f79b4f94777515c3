"""Providers as data: who speaks which dialect, where, with which credential, and with what quirks."""
