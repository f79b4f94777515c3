"""Sber's GigaChat. https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/gigachat-api

Pictures and documents go to its storage of files first, and stay there
(https://developers.sber.ru/docs/ru/gigachat/api/working-with-files).
Its certificates are of the Russian Ministry's authority: `ssl_verify` names the file of that
(https://developers.sber.ru/docs/ru/gigachat/certificates).
"""

from headgate.providers.base import Provider, paths

ROW = Provider(
    id="gigachat",
    name="GigaChat",
    dialect="gigachat_chat",
    embeddings="gigachat_embeddings",
    base_url="https://gigachat.devices.sberbank.ru/api/v1",
    base_url_env=("GIGACHAT_API_BASE",),
    api_key_env=("GIGACHAT_CREDENTIALS", "GIGACHAT_API_KEY"),
    credential="oauth:gigachat",
    paths=paths("chat", "embeddings", "models") | {"uploads": "/files"},
    uploads={"purpose": "general"},
    stream_usage="always",
)
