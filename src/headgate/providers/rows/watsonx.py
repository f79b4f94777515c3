"""IBM watsonx.ai. https://cloud.ibm.com/apidocs/watsonx-ai

Chat is OpenAI's format with the model under another name and a project or space beside it. A model called
`deployment/<id>` is a deployment of one's own: it stands in the address and brings model and project itself.
"""

from typing import Final
from urllib.parse import quote

from headgate.providers.base import Auth, ModelRule, Provider, Quirks, Site

_OWN: Final = "deployment/"
_ROOT: Final = "/ml/v1/"


def _path(site: Site) -> str:
    path = f"{site.provider.paths[site.operation]}?version={site.api_version}"
    if not site.model.startswith(_OWN):
        return path
    own = quote(site.model.removeprefix(_OWN), safe="")
    return path.replace(_ROOT, f"{_ROOT}deployments/{own}/")


ROW = Provider(
    id="watsonx",
    name="IBM watsonx.ai",
    aliases=("watsonx_text",),
    embeddings="watsonx_embeddings",
    base_url="https://{region}.ml.cloud.ibm.com",
    base_url_env=("WATSONX_API_BASE", "WATSONX_URL", "WX_URL", "WML_URL"),
    base_vars={"region": ("watsonx_region_name", "WATSONX_REGION")},
    api_key_env=("WATSONX_APIKEY", "WATSONX_API_KEY", "WX_API_KEY"),
    auth=Auth(token_param="token", token_env=("WATSONX_TOKEN",)),
    credential="oauth:watsonx",
    paths={
        "chat": "/ml/v1/text/chat",
        "chat_stream": "/ml/v1/text/chat_stream",
        "completions": "/ml/v1/text/generation",
        "completions_stream": "/ml/v1/text/generation_stream",
        "embeddings": "/ml/v1/text/embeddings",
        "rerank": "/ml/v1/text/rerank",
    },
    dialects={
        "rerank": "watsonx_rerank",
        "completions": "watsonx_generation",
        "completions_stream": "watsonx_generation",
    },
    path_of=_path,
    api_version="2024-03-13",
    body_env={
        "project_id": ("WATSONX_PROJECT_ID", "WX_PROJECT_ID"),
        "space_id": ("WATSONX_DEPLOYMENT_SPACE_ID", "WATSONX_SPACE_ID", "WX_SPACE_ID"),
    },
    quirks=Quirks(
        rename={"model": "model_id"},
        rename_text={"tool_choice": "tool_choice_option"},
        drop=("stream", "stream_options", "user", "parallel_tool_calls", "service_tier", "store", "metadata"),
        tool_strict=False,
        strip_schema=("additionalProperties", "$schema"),
        roles={"developer": "system"},
    ),
    model_rules=(ModelRule(match=_OWN, quirks=Quirks(drop=("model", "model_id", "project_id", "space_id"))),),
    stream_usage="always",
)
