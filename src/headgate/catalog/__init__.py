"""Prices and facts of models, and exact arithmetic on them. Knows no request and no network."""
