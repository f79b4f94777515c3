"""The errors under the module name that LiteLLM's users import them from."""

from headgate.errors import *  # noqa: F403 -- the whole tree, as it stands there
