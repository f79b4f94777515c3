"""Formats of picture APIs, one small dialect each, all of the shape in `images/base.py`.

`openai.py` is what clients speak; the others are upstreams'. None knows another, a provider or the engine.
"""
