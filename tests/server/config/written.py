"""An environment with keys, and a row of a model list."""

ENV = {
    "OPENAI_API_KEY": "sk-from-the-environment",
    "ANTHROPIC_API_KEY": "sk-ant-env",
    "GROQ_API_KEY": "gsk_env",
}
ROW = "model_list: [{model_name: gpt-4o, litellm_params: {model: openai/gpt-4o}}]\n"
