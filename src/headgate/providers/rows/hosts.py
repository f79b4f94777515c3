"""Companies that serve open models by an API that looks like OpenAI's. Their documentation says the same of
each as its row: address, variables, what is renamed or refused."""

from headgate.providers.base import TO_MAX_TOKENS as _TO_MAX_TOKENS
from headgate.providers.base import Auth, Provider, Quirks, Site, Variant
from headgate.providers.base import paths as _paths


def _azure_ai(site: Site) -> str:
    """Foundry's resources have the models under /models with a version; serverless hosts look like OpenAI's."""
    if site.operation == "responses":
        return "/openai/v1/responses"
    if site.operation in _AZURE_AI:
        foundry, serverless = _AZURE_AI[site.operation]
        return foundry if "services.ai.azure.com" in site.base else serverless
    name = "/chat/completions" if site.operation == "chat" else "/embeddings"
    if "services.ai.azure.com" in site.base and not site.base.rstrip("/").endswith(("/v1", "/models")):
        return f"/models{name}?api-version={site.api_version}"
    if site.base.rstrip("/").endswith("/models"):
        return f"{name}?api-version={site.api_version}"
    return name if "/v1" in site.base else "/v1" + name


AZURE_CLAUDE = Provider(
    id="azure_ai",
    name="Azure AI Foundry / Azure AI inference",
    dialect="anthropic",
    base_url_env=("AZURE_AI_API_BASE",),
    api_key_env=("AZURE_AI_API_KEY",),
    paths={"chat": "/anthropic/v1/messages", "count_tokens": "/anthropic/v1/messages/count_tokens"},
    auth=Auth(header="x-api-key", scheme="", token_param="azure_ad_token"),
    credential="azure_ad",
    headers={"anthropic-version": "2023-06-01"},
    stream_usage="always",
)
_AZURE_AI = {
    "rerank": ("/providers/cohere/v2/rerank", "/v1/rerank"),
    "ocr": ("/providers/mistral/azure/ocr", "/v1/ocr"),
}
"""Operation → where a Foundry resource has it, and a serverless host."""


def _deepinfra(site: Site) -> str:
    """Rerank has an address beside the one that looks like OpenAI's."""
    if site.operation == "rerank":
        return site.base.removesuffix("/openai") + "/inference/{model}"
    return site.provider.paths[site.operation]


def _beside(site: Site) -> str:
    """What is no address of OpenAI's lives beside the OpenAI-compatible /v1, not under it."""
    path = site.provider.paths[site.operation]
    return site.base.rstrip("/").removesuffix("/v1") + path if path.startswith(_OWN) else path


_OWN = ("/run/", "/hf-inference/")


ROWS: tuple[Provider, ...] = (
    Provider(
        id="abliteration",
        name="Abliteration",
        base_url="https://api.abliteration.ai/v1",
        api_key_env=("ABLITERATION_API_KEY",),
        paths=_paths("chat", "models"),
    ),
    Provider(
        id="aiml",
        name="AI/ML API",
        base_url="https://api.aimlapi.com/v1",
        base_url_env=("AIML_API_BASE",),
        api_key_env=("AIML_API_KEY", "AIMLAPI_KEY"),
        paths={**_paths("chat", "embeddings", "images", "models"), "image_edits": "/images/generations"},
        dialects={"images": "aiml_images", "image_edits": "aiml_images"},
    ),
    Provider(
        id="anyscale",
        name="Anyscale Endpoints",
        base_url="https://api.endpoints.anyscale.com/v1",
        base_url_env=("ANYSCALE_API_BASE",),
        api_key_env=("ANYSCALE_API_KEY",),
        paths=_paths("chat", "completions", "embeddings"),
    ),
    Provider(
        id="assemblyai",
        name="AssemblyAI",
        base_url="https://llm-gateway.assemblyai.com/v1",
        api_key_env=("ASSEMBLYAI_API_KEY",),
        auth=Auth(scheme=""),
        paths={
            **_paths("chat"),
            "transcriptions": "https://api.assemblyai.com/v2/transcript",
            "transcription_upload": "https://api.assemblyai.com/v2/upload",
        },
        dialects={"transcriptions": "assembly_transcript"},
    ),
    Provider(
        id="azure_ai",
        name="Azure AI Foundry / Azure AI inference",
        base_url_env=("AZURE_AI_API_BASE",),
        api_key_env=("AZURE_AI_API_KEY",),
        paths={"chat": "", "embeddings": "", "responses": "", "rerank": "", "ocr": ""},
        dialects={"rerank": "cohere_rerank", "ocr": "inline_ocr"},
        auth=Auth(header="api-key", scheme="", token_param="azure_ad_token"),
        credential="azure_ad",
        variants=(Variant(match=r"claude", row=AZURE_CLAUDE),),
        path_of=_azure_ai,
        api_version_env="AZURE_AI_API_VERSION",
        api_version="2024-05-01-preview",
        quirks=Quirks(strip_message=("thinking_blocks", "reasoning_content", "provider_specific_fields")),
    ),
    Provider(
        id="baseten",
        name="Baseten",
        base_url="https://inference.baseten.co/v1",
        base_url_env=("BASETEN_API_BASE",),
        api_key_env=("BASETEN_API_KEY",),
        paths=_paths("chat", "embeddings", "models"),
        quirks=Quirks(rename=_TO_MAX_TOKENS),
    ),
    Provider(
        id="bedrock_mantle",
        name="Amazon Bedrock's OpenAI-compatible API",
        base_url="https://bedrock-mantle.{region}.api.aws/v1",
        base_vars={"region": ("aws_region_name", "BEDROCK_MANTLE_REGION", "AWS_REGION_NAME", "AWS_REGION")},
        api_key_env=("BEDROCK_MANTLE_API_KEY", "AWS_BEARER_TOKEN_BEDROCK"),
        paths=_paths("chat", "responses", "models"),
    ),
    Provider(
        id="bytez",
        name="Bytez",
        base_url="https://api.bytez.com/models/v2/openai/v1",
        api_key_env=("BYTEZ_API_KEY",),
        paths=_paths("chat"),
    ),
    Provider(
        id="charity_engine",
        name="Charity Engine",
        base_url="https://api.charityengine.services/remotejobs/v2/inference",
        api_key_env=("CHARITY_ENGINE_API_KEY",),
        paths=_paths("chat", "models"),
        quirks=Quirks(rename=_TO_MAX_TOKENS),
    ),
    Provider(
        id="chutes",
        name="Chutes",
        base_url="https://llm.chutes.ai/v1",
        api_key_env=("CHUTES_API_KEY",),
        quirks=Quirks(rename=_TO_MAX_TOKENS),
    ),
    Provider(
        id="clarifai",
        name="Clarifai",
        base_url="https://api.clarifai.com/v2/ext/openai/v1",
        api_key_env=("CLARIFAI_API_KEY", "CLARIFAI_PAT"),
        paths=_paths("chat", "models"),
    ),
    Provider(
        id="cloudflare",
        name="Cloudflare Workers AI",
        base_url="https://api.cloudflare.com/client/v4/accounts/{account_id}/ai/v1",
        base_url_env=("CLOUDFLARE_API_BASE",),
        api_key_env=("CLOUDFLARE_API_KEY", "CLOUDFLARE_API_TOKEN"),
        paths={
            **_paths("chat", "embeddings", "responses"),
            "images": "/run/{model}",
            "image_edits": "/run/{model}",
            "rerank": "/run/{model}",
        },
        path_of=_beside,
        dialects={
            "images": "cloudflare_images",
            "image_edits": "cloudflare_images",
            "rerank": "workers_ai_rerank",
        },
        quirks=Quirks(roles={"developer": "system"}),
        base_vars={"account_id": ("cloudflare_account_id", "CLOUDFLARE_ACCOUNT_ID")},
    ),
    Provider(
        id="compactifai",
        name="CompactifAI",
        base_url="https://api.compactif.ai/v1",
        api_key_env=("COMPACTIFAI_API_KEY",),
        paths=_paths("chat", "models"),
    ),
    Provider(
        id="crusoe",
        name="Crusoe",
        base_url="https://managed-inference-api-proxy.crusoecloud.com/v1",
        base_url_env=("CRUSOE_API_BASE",),
        api_key_env=("CRUSOE_API_KEY",),
        paths=_paths("chat", "models"),
        quirks=Quirks(rename=_TO_MAX_TOKENS),
    ),
    Provider(
        id="databricks",
        name="Databricks Model Serving",
        base_url_env=("DATABRICKS_API_BASE",),
        api_key_env=("DATABRICKS_API_KEY", "DATABRICKS_TOKEN"),
        credential="oauth:databricks",
        paths=_paths("chat", "embeddings", "responses"),
        quirks=Quirks(rename=_TO_MAX_TOKENS, roles={"developer": "system"}),
        cache_marks=True,
    ),
    Provider(
        id="datarobot",
        name="DataRobot LLM gateway / deployments",
        base_url="https://app.datarobot.com",
        base_url_env=("DATAROBOT_ENDPOINT",),
        api_key_env=("DATAROBOT_API_TOKEN",),
        paths={"chat": "/api/v2/genai/llmgw/chat/completions"},
    ),
    Provider(
        id="deepinfra",
        name="DeepInfra",
        base_url="https://api.deepinfra.com/v1/openai",
        base_url_env=("DEEPINFRA_API_BASE",),
        api_key_env=("DEEPINFRA_API_KEY",),
        paths={
            **_paths("chat", "completions", "embeddings", "images", "models", "speech", "transcriptions"),
            "rerank": "",
        },
        dialects={"rerank": "scores_rerank"},
        path_of=_deepinfra,
        quirks=Quirks(
            rename=_TO_MAX_TOKENS,
            only={"tool_choice": ("auto", "none")},
            roles={"developer": "system"},
        ),
    ),
    Provider(
        id="empower",
        name="Empower",
        base_url="https://app.empower.dev/api/v1",
        base_url_env=("EMPOWER_API_BASE",),
        api_key_env=("EMPOWER_API_KEY",),
        paths=_paths("chat"),
    ),
    Provider(
        id="featherless_ai",
        name="Featherless AI",
        base_url="https://api.featherless.ai/v1",
        base_url_env=("FEATHERLESS_AI_API_BASE", "FEATHERLESS_API_BASE"),
        api_key_env=("FEATHERLESS_AI_API_KEY", "FEATHERLESS_API_KEY"),
        paths=_paths("chat", "completions", "models"),
        quirks=Quirks(rename=_TO_MAX_TOKENS, only={"tool_choice": ("auto", "none")}),
    ),
    Provider(
        id="friendliai",
        name="FriendliAI",
        base_url="https://api.friendli.ai/serverless/v1",
        base_url_env=("FRIENDLI_API_BASE",),
        api_key_env=("FRIENDLIAI_API_KEY", "FRIENDLI_TOKEN"),
        paths=_paths("chat", "completions", "models"),
    ),
    Provider(
        id="galadriel",
        name="Galadriel",
        base_url="https://api.galadriel.com/v1",
        base_url_env=("GALADRIEL_API_BASE",),
        api_key_env=("GALADRIEL_API_KEY",),
        paths=_paths("chat"),
    ),
    Provider(
        id="github",
        name="GitHub Models",
        base_url="https://models.github.ai/inference",
        base_url_env=("GITHUB_API_BASE",),
        api_key_env=("GITHUB_API_KEY", "GITHUB_TOKEN"),
        paths={**_paths("chat", "embeddings"), "models": "https://models.github.ai/catalog/models"},
    ),
    Provider(
        id="gmi",
        name="GMI Cloud",
        base_url="https://api.gmi-serving.com/v1",
        api_key_env=("GMI_API_KEY",),
        paths=_paths("chat", "models"),
    ),
    Provider(
        id="gradient_ai",
        name="DigitalOcean Gradient AI",
        base_url="https://inference.do-ai.run",
        base_url_env=("GRADIENT_AI_AGENT_ENDPOINT",),
        api_key_env=("GRADIENT_AI_API_KEY",),
        paths={"chat": "/v1/chat/completions", "models": "/v1/models"},
    ),
    Provider(
        id="heroku",
        name="Heroku Managed Inference",
        base_url="https://us.inference.heroku.com",
        base_url_env=("HEROKU_API_BASE", "INFERENCE_URL"),
        api_key_env=("HEROKU_API_KEY", "INFERENCE_KEY"),
        paths={
            "chat": "/v1/chat/completions",
            "embeddings": "/v1/embeddings",
            "images": "/v1/images/generations",
            "models": "/v1/models",
        },
        quirks=Quirks(flatten=True),
    ),
    Provider(
        id="hyperbolic",
        name="Hyperbolic",
        base_url="https://api.hyperbolic.xyz/v1",
        base_url_env=("HYPERBOLIC_API_BASE",),
        api_key_env=("HYPERBOLIC_API_KEY",),
        paths={
            **_paths("chat", "completions", "models"),
            "images": "/image/generation",
            "speech": "/audio/generation",
        },
        dialects={"images": "hyperbolic_images", "speech": "melo_speech"},
        quirks=Quirks(rename=_TO_MAX_TOKENS),
    ),
    Provider(
        id="lambda_ai",
        name="Lambda",
        base_url="https://api.lambda.ai/v1",
        base_url_env=("LAMBDA_API_BASE",),
        api_key_env=("LAMBDA_API_KEY",),
        paths=_paths("chat", "completions", "models"),
    ),
    Provider(
        id="libertai",
        name="Libertai",
        base_url="https://api.libertai.io/v1",
        base_url_env=("LIBERTAI_API_BASE",),
        api_key_env=("LIBERTAI_API_KEY",),
        paths=_paths("chat", "models"),
        quirks=Quirks(rename=_TO_MAX_TOKENS),
    ),
    Provider(
        id="llamagate",
        name="Llamagate",
        base_url="https://api.llamagate.dev/v1",
        api_key_env=("LLAMAGATE_API_KEY",),
        paths=_paths("chat", "models"),
        quirks=Quirks(rename=_TO_MAX_TOKENS),
    ),
    Provider(
        id="modelscope",
        name="ModelScope",
        base_url="https://api-inference.modelscope.cn/v1",
        base_url_env=("MODELSCOPE_API_BASE",),
        api_key_env=("MODELSCOPE_API_KEY",),
        paths=_paths("chat", "embeddings", "images", "models"),
    ),
    Provider(
        id="nebius",
        name="Nebius Token Factory",
        base_url="https://api.tokenfactory.nebius.com/v1",
        base_url_env=("NEBIUS_API_BASE",),
        api_key_env=("NEBIUS_API_KEY",),
        dialects={"images": "nebius_images"},
        paths=_paths("chat", "completions", "embeddings", "images", "models"),
        quirks=Quirks(rename=_TO_MAX_TOKENS),
    ),
    Provider(
        id="neosantara",
        name="Neosantara",
        base_url="https://api.neosantara.xyz/v1",
        base_url_env=("NEOSANTARA_API_BASE",),
        api_key_env=("NEOSANTARA_API_KEY",),
        paths=_paths("chat", "responses", "models"),
        quirks=Quirks(rename=_TO_MAX_TOKENS),
    ),
    Provider(
        id="novita",
        name="Novita AI",
        base_url="https://api.novita.ai/v3/openai",
        base_url_env=("NOVITA_API_BASE",),
        api_key_env=("NOVITA_API_KEY",),
    ),
    Provider(
        id="nscale",
        name="Nscale",
        base_url="https://inference.api.nscale.com/v1",
        base_url_env=("NSCALE_API_BASE",),
        api_key_env=("NSCALE_API_KEY",),
        paths=_paths("chat", "images", "models"),
    ),
    Provider(
        id="ovhcloud",
        name="OVHcloud AI Endpoints",
        base_url="https://oai.endpoints.kepler.ai.cloud.ovh.net/v1",
        base_url_env=("OVHCLOUD_API_BASE",),
        api_key_env=("OVHCLOUD_API_KEY",),
        paths=_paths("chat", "completions", "embeddings", "transcriptions", "images", "models"),
        auth=Auth(optional=True),
    ),
    Provider(
        id="parasail",
        name="Parasail",
        base_url="https://api.parasail.io/v1",
        base_url_env=("PARASAIL_API_BASE",),
        api_key_env=("PARASAIL_API_KEY",),
        paths=_paths("chat", "completions", "embeddings", "models", "responses"),
    ),
    Provider(
        id="publicai",
        name="PublicAI",
        base_url="https://api.publicai.co/v1",
        base_url_env=("PUBLICAI_API_BASE",),
        api_key_env=("PUBLICAI_API_KEY",),
        paths=_paths("chat", "models"),
        quirks=Quirks(rename=_TO_MAX_TOKENS, flatten=True),
    ),
    Provider(
        id="sambanova",
        name="SambaNova",
        base_url="https://api.sambanova.ai/v1",
        base_url_env=("SAMBANOVA_API_BASE", "SAMBANOVA_BASE_URL"),
        api_key_env=("SAMBANOVA_API_KEY",),
        paths=_paths("chat", "completions", "embeddings", "transcriptions", "models"),
        quirks=Quirks(
            rename=_TO_MAX_TOKENS,
            refuse=(
                "seed",
                "frequency_penalty",
                "presence_penalty",
                "logprobs",
                "top_logprobs",
                "logit_bias",
            ),
            only={"n": (1,)},
            flatten=True,
            roles={"developer": "system"},
        ),
    ),
    Provider(
        id="scaleway",
        name="Scaleway Generative APIs",
        base_url="https://api.scaleway.ai/v1",
        api_key_env=("SCW_SECRET_KEY",),
        paths=_paths("chat", "embeddings", "rerank", "transcriptions", "models", "responses", "images"),
    ),
    Provider(
        id="snowflake",
        name="Snowflake Cortex",
        base_url="https://{account}.snowflakecomputing.com/api/v2",
        base_url_env=("SNOWFLAKE_API_BASE",),
        base_vars={"account": ("account_id", "SNOWFLAKE_ACCOUNT_ID")},
        api_key_env=("SNOWFLAKE_JWT",),
        credential="oauth:snowflake",
        auth=Auth(
            token_env=("SNOWFLAKE_PAT",),
            token_prefix="pat/",
            cut_prefix=True,
            token_headers={"x-snowflake-authorization-token-type": "PROGRAMMATIC_ACCESS_TOKEN"},
        ),
        headers={"x-snowflake-authorization-token-type": "KEYPAIR_JWT"},
        paths={"chat": "/cortex/v1/chat/completions", "models": "/cortex/models"},
        quirks=Quirks(rename={"max_tokens": "max_completion_tokens"}),
    ),
    Provider(
        id="synthetic",
        name="Synthetic",
        base_url="https://api.synthetic.new/openai/v1",
        api_key_env=("SYNTHETIC_API_KEY",),
        quirks=Quirks(rename=_TO_MAX_TOKENS),
    ),
    Provider(
        id="tensormesh",
        name="Tensormesh",
        base_url="https://serverless.tensormesh.ai/v1",
        base_url_env=("TENSORMESH_SERVERLESS_BASE_URL",),
        api_key_env=("TENSORMESH_INFERENCE_API_KEY",),
        paths=_paths("chat", "responses", "models"),
        quirks=Quirks(rename=_TO_MAX_TOKENS),
    ),
    Provider(
        id="veniceai",
        name="Venice.ai",
        aliases=("venice",),
        base_url="https://api.venice.ai/api/v1",
        api_key_env=("VENICE_AI_API_KEY",),
        paths=_paths("chat", "embeddings", "images", "speech", "models"),
    ),
    Provider(
        id="wandb",
        name="W&B Inference",
        base_url="https://api.inference.wandb.ai/v1",
        base_url_env=("WANDB_API_BASE",),
        api_key_env=("WANDB_API_KEY",),
        paths=_paths("chat", "models"),
        quirks=Quirks(rename=_TO_MAX_TOKENS),
        header_params={"openai-project": "project"},
    ),
)
