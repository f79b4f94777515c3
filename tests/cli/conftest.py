"""The command line's tests have real databases."""

from databases import *  # noqa: F403
