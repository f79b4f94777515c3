"""The server's tests have an upstream each, unless a file says otherwise."""

from servers import an_upstream

upstream = an_upstream("function")
