"""How older models want a conversation as one text. Pure functions from (role, text) pairs to a prompt.

The roles are system, user and assistant; the last turn is the user's, or an assistant's beginning.
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-meta.html, …-mistral-text-completion.html,
…-anthropic-claude-text-completion.html, …-titan-text.html, …-deepseek.html
"""

from typing import Final, TypeAlias

Talk: TypeAlias = list[tuple[str, str]]


def titan(talk: Talk) -> str:
    """`User: …`, `Bot: …`; a lone text as it is, which is how these models are mostly asked."""
    if len(talk) == 1:
        return talk[0][1]
    lines = [text if role == "system" else f"{_TITAN[role]}: {text}" for role, text in talk]
    return "\n".join([*lines, "" if talk[-1][0] == "assistant" else "Bot:"]).rstrip("\n")


def claude(talk: Talk) -> str:
    system = "\n".join(text for role, text in talk if role == "system")
    turns = "".join(f"\n\n{_CLAUDE[role]}: {text}" for role, text in talk if role != "system")
    return system + turns + ("" if talk[-1][0] == "assistant" else "\n\nAssistant:")


def llama3(talk: Talk) -> str:
    turns = [
        f"<|start_header_id|>{role}<|end_header_id|>\n\n{text}" + ("" if _begins(talk, at) else "<|eot_id|>")
        for at, (role, text) in enumerate(talk)
    ]
    end = "" if _begins(talk, len(talk) - 1) else "<|start_header_id|>assistant<|end_header_id|>\n\n"
    return "<|begin_of_text|>" + "".join(turns) + end


def llama2(talk: Talk) -> str:
    system = "\n".join(text for role, text in talk if role == "system")
    return _instructed(talk, f"<<SYS>>\n{system}\n<</SYS>>\n\n" if system else "")


def mistral(talk: Talk) -> str:
    """No word for a system prompt: it opens the first turn."""
    system = "\n".join(text for role, text in talk if role == "system")
    return _instructed(talk, f"{system}\n\n" if system else "")


def _instructed(talk: Talk, opening: str) -> str:
    parts = ["<s>"]
    for at, (role, text) in enumerate(talk):
        if role == "user":
            parts.append(f"[INST] {opening}{text} [/INST]")
            opening = ""
        elif role == "assistant":
            parts.append(f" {text}" + ("" if _begins(talk, at) else "</s>"))
    return "".join(parts)


def deepseek(talk: Talk) -> str:
    system = "\n".join(text for role, text in talk if role == "system")
    turns = "".join(f"<{_BAR}{_DEEPSEEK[role]}{_BAR}>{text}" for role, text in talk if role != "system")
    end = "" if talk[-1][0] == "assistant" else f"<{_BAR}Assistant{_BAR}>"
    return f"<{_BAR}begin\u2581of\u2581sentence{_BAR}>{system}{turns}{end}"


def plain(talk: Talk) -> str:
    return "\n\n".join(text for _, text in talk)


def _begins(talk: Talk, at: int) -> bool:
    """Whether the turn is the beginning of the answer, to be gone on with."""
    return at == len(talk) - 1 and talk[at][0] == "assistant"


_TITAN: Final = {"user": "User", "assistant": "Bot"}
_CLAUDE: Final = {"user": "Human", "assistant": "Assistant"}
_BAR: Final = "\uff5c"
"""The bar of DeepSeek's marks is not the one of ASCII."""
_DEEPSEEK: Final = {"user": "User", "assistant": "Assistant"}
