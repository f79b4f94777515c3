"""Who comes with a token of an identity provider instead of a key of ours: `tokens.py` is the way in."""
