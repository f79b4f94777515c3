"""Helpers and objects under the module name that LiteLLM's users import them from."""

from headgate.sdk.helpers import *  # noqa: F403 -- the helpers, as they stand there
from headgate.sdk.more import *  # noqa: F403 -- and the smaller functions
from headgate.sdk.objects import *  # noqa: F403 -- and the answers
from headgate.sdk.stream import CustomStreamWrapper as CustomStreamWrapper
