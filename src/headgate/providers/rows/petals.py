"""Petals: models that volunteers serve together. https://github.com/petals-infra/chat.petals.dev#apis

Text generation over HTTP, which answers whole; its streams are of WebSockets and not spoken here.
"""

from headgate.providers.base import Auth, Provider

ROW = Provider(
    id="petals",
    name="Petals",
    dialect="petals_generate",
    base_url="https://chat.petals.dev",
    base_url_env=("PETALS_API_BASE",),
    auth=Auth(optional=True),
    headers={"content-type": "application/x-www-form-urlencoded"},
    paths={"chat": "/api/v1/generate"},
    form=True,
    stream_usage="always",
)
