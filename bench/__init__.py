"""The benchmark: `python -m bench`. It knows the command line and the API, never the internals."""
