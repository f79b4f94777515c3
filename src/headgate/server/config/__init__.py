"""Configuration: LiteLLM's `config.yaml`, the start settings and the master key's check.

`load.load`, `load.check` and `load.empty` are the way in; `schema` has what comes out. Nothing here starts,
opens or sends anything, and the environment comes in as a mapping.
"""
