"""The built-in provider: answers without a network, so that a new user sees one in the first minute."""

from headgate.providers.base import Auth, Provider

ROW = Provider(
    id="mock",
    name="Built-in mock",
    base_url="mock://local/v1",
    auth=Auth(optional=True),
)
