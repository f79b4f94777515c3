"""`python -m bench` runs the benchmark."""

from bench.run import main

if __name__ == "__main__":
    raise SystemExit(main())
