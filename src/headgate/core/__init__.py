"""The engine that gateway and SDK share: from a call to an answer. Knows ports, never drivers."""
