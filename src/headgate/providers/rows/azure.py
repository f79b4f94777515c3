"""Azure OpenAI. https://learn.microsoft.com/azure/ai-services/openai/reference

Two surfaces: dated ones, where the deployment stands in the path and an api-version is required, and v1,
which looks like OpenAI's. Realtime has both: https://learn.microsoft.com/azure/ai-foundry/openai/how-to/realtime-audio"""

from msgspec.structs import replace

from headgate.providers.base import Auth, Provider, Site, Variant
from headgate.providers.rows import speech
from headgate.providers.rows.openai import REASONING, STRANGE

_V1 = ("v1", "latest", "preview")
_NAMES = {
    "chat": "chat/completions",
    "completions": "completions",
    "embeddings": "embeddings",
    "images": "images/generations",
    "image_edits": "images/edits",
    "speech": "audio/speech",
    "transcriptions": "audio/transcriptions",
    "translations": "audio/translations",
}
_JOBS = {"files": "files", "batches": "batches", "fine_tuning": "fine_tuning/jobs"}
"""Of the resource, not of a deployment."""


def _path(site: Site) -> str:
    base, version = site.base.rstrip("/"), site.api_version
    if site.operation == "responses":  # of the newer surface only, which needs no version
        return "/openai/v1/responses"
    if site.operation == "realtime":
        return base.partition("/openai/")[0].removesuffix("/openai") + _realtime(base, version)
    if site.operation in _JOBS:
        base = base.partition("/openai/deployments/")[0]
        if not base.endswith("/openai/v1") and version not in _V1:
            return f"{base}/openai/{_JOBS[site.operation]}?api-version={version}"
    if base.endswith("/openai/v1") or version in _V1:
        path = f"/openai/v1/{(_NAMES | _JOBS).get(site.operation, site.operation)}"
        return path + (f"?api-version={version}" if version in ("latest", "preview") else "")
    if site.operation not in _NAMES:
        return f"/openai/{site.operation}?api-version={version}"
    if "/openai/deployments/" in base:
        return f"/{_NAMES[site.operation]}?api-version={version}"
    return f"/openai/deployments/{{model}}/{_NAMES[site.operation]}?api-version={version}"


def _realtime(base: str, version: str) -> str:
    """Path and query below the resource's address."""
    if base.endswith("/openai/v1") or version in _V1:
        return "/openai/v1/realtime?model={model}"
    return f"/openai/realtime?api-version={version}&deployment={{model}}"


SPEAKING = replace(speech.AZURE, api_key_env=("AZURE_SPEECH_API_KEY", "AZURE_API_KEY"))
"""`azure/speech/…` is LiteLLM's name for another service of Azure's."""

ROW = Provider(
    id="azure",
    name="Azure OpenAI",
    aliases=("azure_text", "azure_openai"),
    base_url_env=("AZURE_API_BASE", "AZURE_OPENAI_ENDPOINT"),
    api_key_env=("AZURE_OPENAI_API_KEY", "AZURE_API_KEY"),
    auth=Auth(header="api-key", scheme="", token_param="azure_ad_token", token_env=("AZURE_AD_TOKEN",)),
    credential="azure_ad",
    paths=dict.fromkeys((*_NAMES, "models", "responses", "realtime", *_JOBS), ""),
    path_of=_path,
    api_version_env="AZURE_API_VERSION",
    api_version="2025-02-01-preview",
    rejects=STRANGE,
    model_rules=REASONING,
    batch_price="0.5",  # https://learn.microsoft.com/azure/ai-services/openai/how-to/batch
    variants=(Variant(match=r"speech/", row=SPEAKING, cut="speech/"),),
)
