"""The built-in provider: answers without a network, so that a new user sees one in the first minute."""

from headgate.providers.base import Auth, Provider, paths

ROW = Provider(
    id="mock",
    name="Built-in mock",
    base_url="mock://local/v1",
    auth=Auth(optional=True),
    paths=paths("chat", "completions", "embeddings", "images", "models"),
)
