"""How far each provider's row is tried. A test holds that RECORDED is what the tests replay."""

from typing import Final

_TABLE: Final = """
    aleph_alpha         chat completions
    anthropic           chat count_tokens
    azure               chat completions embeddings responses
    azure_ai            chat embeddings responses
    bedrock             chat
    bedrock_mantle      chat responses
    cerebras            chat
    cloudflare          chat
    cohere              chat completions embeddings transcriptions
    crusoe              chat
    custom_openai       chat
    databricks          chat
    deepgram            speech transcriptions
    deepseek            chat responses
    fal_ai              images
    fireworks_ai        chat
    gemini              chat count_tokens embeddings
    groq                chat
    heroku              chat
    hosted_vllm         chat completions
    huggingface         chat embeddings
    hyperbolic          chat
    llamafile           chat
    mistral             chat embeddings speech transcriptions
    nebius              chat images
    novita              chat
    nvidia_nim          chat
    ollama              chat embeddings
    openai              chat completions embeddings image_variations images responses speech transcriptions
    openrouter          chat embeddings images responses transcriptions
    perplexity          chat embeddings
    replicate           images
    sambanova           chat embeddings
    snowflake           chat
    together_ai         chat completions images
    vercel_ai_gateway   chat
    vertex_ai           chat count_tokens embeddings
    watsonx             completions
    writer              chat completions
    xai                 chat image_edits responses transcriptions
    zai                 chat
"""
RECORDED: Final[dict[str, tuple[str, ...]]] = {
    name: tuple(operations)
    for name, *operations in (line.split() for line in _TABLE.split("\n") if line.strip())
}
"""Operations of which exchanges with the provider itself are replayed."""

UNTRIED: Final = frozenset(
    """abliteration aihubmix aiml amazon_nova apertis charity_engine chutes clarifai codestral cognition compactifai
    cortecs darkbloom datarobot docker_model_runner empiriolabs empower friendliai galadriel gmi gradient_ai helicone
    infinity lemonade libertai litellm_proxy llamagate maritalk modelscope morph nano-gpt neosantara pinstripes poe
    prism publicai reka sail sarvam scaleway scx-ai synthetic tencent tensormesh v0 veniceai volcengine wandb
    xiaomi_mimo xinference""".split()
)
"""Rows that only LiteLLM's table of providers vouches for: address, variables and quirks were seen nowhere else."""
