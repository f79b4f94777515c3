"""GitHub Copilot: OpenAI's formats, asked as editors ask. https://docs.github.com/en/copilot

A token of GitHub is exchanged for one that is good for half an hour. What an editor says of itself stands in headers
(`extra_headers` says otherwise), without which every call is refused; so is a picture without the last of them.
"""

from headgate.providers.base import Provider, paths

ROW = Provider(
    id="github_copilot",
    name="GitHub Copilot",
    base_url="https://api.githubcopilot.com",
    base_url_env=("GITHUB_COPILOT_API_BASE",),
    api_key_env=("COPILOT_GITHUB_TOKEN",),
    credential="oauth:github_copilot",
    paths=paths("chat", "embeddings", "models", "responses"),
    headers={
        "editor-version": "vscode/1.104.1",
        "editor-plugin-version": "copilot-chat/0.26.7",
        "copilot-integration-id": "vscode-chat",
        "copilot-vision-request": "true",
    },
)
