"""The SDK's tests have an upstream each."""

from servers import an_upstream

upstream = an_upstream("function")
