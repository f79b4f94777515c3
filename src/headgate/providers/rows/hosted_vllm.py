"""A vLLM server. https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html"""

from headgate.providers.base import Auth, Provider, paths

ROW = Provider(
    id="hosted_vllm",
    name="vLLM",
    aliases=("vllm",),
    base_url="http://localhost:8000/v1",
    base_url_env=("HOSTED_VLLM_API_BASE", "VLLM_API_BASE"),
    api_key_env=("HOSTED_VLLM_API_KEY", "VLLM_API_KEY"),
    paths=paths(
        "chat",
        "completions",
        "embeddings",
        "models",
        "rerank",
        "responses",
        "speech",
        "transcriptions",
        "translations",
    ),
    auth=Auth(optional=True),
)
