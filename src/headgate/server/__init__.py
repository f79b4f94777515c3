"""The gateway: doors, configuration and endpoints around the engine."""
