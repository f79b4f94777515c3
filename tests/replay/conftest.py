"""Recorded traffic is played by one server for all tests of a file."""

from servers import an_upstream

upstream = an_upstream("module")
