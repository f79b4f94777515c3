"""Companies that serve their own models by an API that looks like OpenAI's. Their documentation says the same of
each as its row: address, variables, what is renamed or refused."""

from headgate.providers.base import TO_MAX_TOKENS as _TO_MAX_TOKENS
from headgate.providers.base import Auth, ModelRule, Provider, Quirks, Site
from headgate.providers.base import paths as _paths


def _dashscope(site: Site) -> str:
    """What does not look like OpenAI's lives beside it, on the same host of the region."""
    path = site.provider.paths[site.operation]
    if site.operation == "rerank":
        return site.base.replace("/compatible-mode/", "/compatible-api/") + path
    return (
        site.base.rstrip("/").removesuffix("/compatible-mode/v1") + path if path.startswith("/api/") else path
    )


def _minimax(site: Site) -> str:
    """https://platform.minimax.io/docs/api-reference/text-anthropic-api: beside what looks like OpenAI's."""
    path = site.provider.paths[site.operation]
    beside = site.operation == "messages" and site.base.endswith("/v1")
    return site.base.removesuffix("/v1") + path if beside else path


_THREE = {'"minimal"': "low", '"medium"': "high", '"xhigh"': "max"}
"""Efforts of models that know low, high and max: https://platform.kimi.ai/docs/guide/use-reasoning-effort."""
_FIXED = {"top_p": (0.95,), "n": (1,), "presence_penalty": (0,), "frequency_penalty": (0,)}
"""What Kimi takes from K2.5 on, https://platform.kimi.ai/docs/api/models-overview."""


ROWS: tuple[Provider, ...] = (
    Provider(
        id="ai21",
        name="AI21",
        aliases=("ai21_chat",),
        base_url="https://api.ai21.com/studio/v1",
        base_url_env=("AI21_API_BASE",),
        api_key_env=("AI21_API_KEY",),
        paths=_paths("chat"),
        quirks=Quirks(
            rename=_TO_MAX_TOKENS,
            refuse=(
                "frequency_penalty",
                "presence_penalty",
                "logprobs",
                "top_logprobs",
                "user",
                "logit_bias",
            ),
            flatten=True,
        ),
        stream_usage="always",
    ),
    Provider(
        id="aleph_alpha",
        name="Aleph Alpha",
        base_url="https://api.aleph-alpha.com",
        base_url_env=("ALEPH_ALPHA_API_BASE",),
        api_key_env=("ALEPH_ALPHA_API_KEY", "ALEPHALPHA_API_KEY"),
        paths={
            **_paths("chat", "rerank"),
            "completions": "/complete",
            "embeddings": "/batch_semantic_embed",
        },
        dialects={"completions": "luminous_complete", "embeddings": "semantic_embeddings"},
    ),
    Provider(
        id="amazon_nova",
        name="Amazon Nova API",
        base_url="https://api.nova.amazon.com/v1",
        base_url_env=("AMAZON_NOVA_API_BASE",),
        api_key_env=("AMAZON_NOVA_API_KEY",),
        paths=_paths("chat", "models"),
    ),
    Provider(
        id="codestral",
        name="Codestral",
        aliases=("text-completion-codestral",),
        base_url="https://codestral.mistral.ai/v1",
        base_url_env=("CODESTRAL_API_BASE",),
        api_key_env=("CODESTRAL_API_KEY",),
        paths={**_paths("chat", "fim"), "completions": "/fim/completions"},
        dialects={"completions": "fim"},
        quirks=Quirks(rename={**_TO_MAX_TOKENS, "seed": "random_seed"}),
        stream_usage="always",
    ),
    Provider(
        id="cognition",
        name="Cognition",
        base_url="https://api.cognition.ai/v1",
        base_url_env=("COGNITION_API_BASE",),
        api_key_env=("COGNITION_API_KEY",),
        paths=_paths("chat", "models"),
    ),
    Provider(
        id="dashscope",
        name="Alibaba DashScope",
        aliases=("qwencloud", "qwen_ai_platform"),
        base_url="https://dashscope.aliyuncs.com/compatible-mode/v1",
        base_url_env=("DASHSCOPE_API_BASE",),
        api_key_env=("DASHSCOPE_API_KEY",),
        paths={
            **_paths("chat", "completions", "embeddings", "models", "responses"),
            "rerank": "/reranks",
            "images": "/api/v1/services/aigc/multimodal-generation/generation",
            "image_edits": "/api/v1/services/aigc/multimodal-generation/generation",
        },
        path_of=_dashscope,
        dialects={"images": "dashscope_images", "image_edits": "dashscope_images"},
        quirks=Quirks(roles={"developer": "system"}),
        model_rules=(
            # they think unless told not to, and only in streams: https://help.aliyun.com/zh/model-studio/deep-thinking
            ModelRule(match=r"qwen3-[\d.]+b(-a\d+b)?$", quirks=Quirks(unstreamed={"enable_thinking": False})),
        ),
        cache_marks=True,
    ),
    Provider(
        id="inception",
        name="Inception Labs",
        aliases=("text-completion-inception",),
        base_url="https://api.inceptionlabs.ai/v1",
        base_url_env=("INCEPTION_API_BASE",),
        api_key_env=("INCEPTION_API_KEY",),
        paths=_paths("chat", "models", "fim"),
    ),
    Provider(
        id="maritalk",
        name="Maritaca AI",
        base_url="https://chat.maritaca.ai/api",
        base_url_env=("MARITALK_API_BASE",),
        api_key_env=("MARITALK_API_KEY",),
        paths=_paths("chat", "models"),
    ),
    Provider(
        id="meta",
        name="Meta Model API",
        base_url="https://api.meta.ai/v1",
        base_url_env=("META_API_BASE",),
        api_key_env=("META_API_KEY",),
        paths=_paths("chat", "models", "responses"),
    ),
    Provider(
        id="meta_llama",
        name="Meta Llama API",
        base_url="https://api.llama.com/compat/v1",
        base_url_env=("LLAMA_API_BASE",),
        api_key_env=("LLAMA_API_KEY",),
        paths=_paths("chat", "models"),
        quirks=Quirks(tool_strict=False, only={"response_format.type": ("text", "json_schema")}),
    ),
    Provider(
        id="minimax",
        name="MiniMax",
        base_url="https://api.minimax.io/v1",
        base_url_env=("MINIMAX_API_BASE",),
        api_key_env=("MINIMAX_API_KEY",),
        paths={**_paths("chat", "embeddings"), "speech": "/t2a_v2", "messages": "/anthropic/v1/messages"},
        path_of=_minimax,
        dialects={"speech": "t2a_speech", "messages": "anthropic"},
        quirks=Quirks(
            refuse=("frequency_penalty", "presence_penalty", "logit_bias"),
            only={"n": (1,)},
            clamp={"temperature": (0.01, 1.0)},
            roles={"developer": "system"},
        ),
        cache_marks=True,
    ),
    Provider(
        id="moonshot",
        name="Moonshot AI",
        base_url="https://api.moonshot.ai/v1",
        base_url_env=("MOONSHOT_API_BASE",),
        api_key_env=("MOONSHOT_API_KEY",),
        paths=_paths("chat", "models"),
        quirks=Quirks(
            rename=_TO_MAX_TOKENS,
            flatten=True,
            refuse=("functions", "function_call"),
            clamp={"temperature": (0.0, 1.0)},
            roles={"developer": "system"},
        ),
        model_rules=(
            # 0.6 where thinking is disabled, which K3 takes no more
            ModelRule(match=r"kimi-k2\.[5-9]", quirks=Quirks(only={**_FIXED, "temperature": (1, 0.6)})),
            ModelRule(
                match=r"kimi-k[3-9]",
                quirks=Quirks(only={**_FIXED, "temperature": (1,)}, values={"reasoning_effort": _THREE}),
            ),
        ),
    ),
    Provider(
        id="morph",
        name="Morph",
        base_url="https://api.morphllm.com/v1",
        base_url_env=("MORPH_API_BASE",),
        api_key_env=("MORPH_API_KEY",),
        paths=_paths("chat", "embeddings", "rerank", "models"),
    ),
    Provider(
        id="reka",
        name="Reka",
        base_url="https://api.reka.ai/v1",
        base_url_env=("REKA_API_BASE",),
        api_key_env=("REKA_API_KEY",),
        paths=_paths("chat", "models"),
    ),
    Provider(
        id="sarvam",
        name="Sarvam",
        base_url="https://api.sarvam.ai/v1",
        api_key_env=("SARVAM_API_KEY",),
        paths=_paths("chat", "models"),
        quirks=Quirks(rename=_TO_MAX_TOKENS),
        auth=Auth(header="api-subscription-key", scheme=""),
    ),
    Provider(
        id="tencent",
        name="Tencent TokenHub",
        base_url="https://tokenhub-intl.tencentcloudmaas.com/v1",
        base_url_env=("TENCENT_API_BASE", "TENCENT_ANTHROPIC_API_BASE"),
        api_key_env=("TENCENT_API_KEY",),
        paths=_paths("chat"),
    ),
    Provider(
        id="v0",
        name="Vercel v0",
        base_url="https://api.v0.dev/v1",
        base_url_env=("V0_API_BASE",),
        api_key_env=("V0_API_KEY",),
        paths=_paths("chat"),
    ),
    Provider(
        id="volcengine",
        name="Volcano Engine",
        base_url="https://ark.cn-beijing.volces.com/api/v3",
        base_url_env=("VOLCENGINE_API_BASE", "ARK_API_BASE"),
        api_key_env=("VOLCENGINE_API_KEY", "ARK_API_KEY"),
        paths={
            **_paths("chat", "embeddings", "images", "responses", "models"),
            "image_edits": "/images/generations",
        },
        dialects={"images": "ark_images", "image_edits": "ark_images"},
        quirks=Quirks(roles={"developer": "system"}),
    ),
    Provider(
        id="xiaomi_mimo",
        name="Xiaomi Mimo",
        base_url="https://api.xiaomimimo.com/v1",
        api_key_env=("XIAOMI_MIMO_API_KEY",),
        paths=_paths("chat", "models"),
        quirks=Quirks(rename=_TO_MAX_TOKENS),
    ),
    Provider(
        id="zai",
        name="Z.ai",
        base_url="https://api.z.ai/api/paas/v4",
        base_url_env=("ZAI_API_BASE",),
        api_key_env=("ZAI_API_KEY",),
        paths=_paths("chat", "embeddings", "images", "models"),
        quirks=Quirks(
            rename=_TO_MAX_TOKENS,
            refuse=(
                "frequency_penalty",
                "presence_penalty",
                "seed",
                "logprobs",
                "top_logprobs",
                "logit_bias",
            ),
            only={"n": (1,), "tool_choice": ("auto",)},
            clamp={"temperature": (0.0, 1.0)},
            roles={"developer": "system"},
        ),
        model_rules=(
            # https://docs.z.ai/guides/overview/concept-param: it thinks always, with one of three efforts
            ModelRule(
                match=r"(?i)glm-5\.[3-9]",
                quirks=Quirks(values={"reasoning_effort": _THREE}),
            ),
        ),
    ),
)
