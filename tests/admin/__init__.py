"""The management API over HTTP, as its users see it."""
