"""`python -m headgate`: the command line."""

from headgate.cli.main import main

main(prog_name="headgate")
