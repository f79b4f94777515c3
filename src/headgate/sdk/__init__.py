"""The SDK: LiteLLM's functions and objects around the engine."""
