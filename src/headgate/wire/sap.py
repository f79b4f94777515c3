"""SAP's orchestration service, v2: OpenAI's chat and embeddings inside a configuration of modules.

https://help.sap.com/docs/sap-ai-core/generative-ai/orchestration-workflow-v2. The conversation is a template:
a text in which a placeholder begins travels as the value of one, so that nobody's words are taken for a template;
callers who give `placeholder_values` write templates themselves. `filtering`, `masking`, `grounding` and
`translation` are modules that callers may add.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Final

from headgate.errors import APIResponseValidationError
from headgate.wire import failures, ir
from headgate.wire.around import Around, Document
from headgate.wire.dialect import Target

_MODULES: Final = ("filtering", "masking", "grounding", "translation")
_PROMPT: Final = ("tools", "response_format", "defaults")
_TOP: Final = ("placeholder_values", "messages_history")
_ELSEWHERE: Final = frozenset(
    {
        "model",
        "messages",
        "stream",
        "stream_options",
        "model_version",
        *_MODULES,
        *_PROMPT,
        *_TOP,
    }
)
_MARK: Final = "{{?"


def _result(document: Document) -> Any:
    """What the last module gave. Raises the error that the document is."""
    found = document.get("final_result", document.get("orchestration_result"))
    if found is None and ("error" in document or "message" in document):
        held = document.get("error", document)
        inner = held[0] if isinstance(held, list) and held else held
        code = inner.get("code") if isinstance(inner, dict) else None
        raise failures.read_document(inner, code if isinstance(code, int) and 400 <= code < 600 else 200)
    return found


def _given(body: Document, keys: tuple[str, ...]) -> Document:
    return {key: body[key] for key in keys if body.get(key) is not None}


def _model(body: Document, params: Document) -> Document:
    return {"name": body.get("model"), "version": body.get("model_version") or "latest", "params": params}


class _Orchestration(Around):
    def answer(self, document: Document, echo: ir.Echo | None) -> Document:
        found = _result(document)
        if not isinstance(found, dict):
            raise APIResponseValidationError(
                "the upstream's answer can't be read: final_result: expected an object"
            )
        return found


class Chat(_Orchestration):
    name = "sap_orchestration"
    native: ClassVar[frozenset[str]] = frozenset({*_MODULES, *_TOP, "defaults", "model_version"})

    def written(self, written: ir.Written, target: Target) -> ir.Written:
        came = written.body
        params = {key: value for key, value in came.items() if key not in _ELSEWHERE}
        prompt: Document = {"template": came.get("messages"), **_given(came, _PROMPT)}
        top = _given(came, _TOP)
        if "placeholder_values" not in top:
            values: dict[str, str] = {}
            prompt["template"] = _literal(prompt["template"], values)
            if values:
                top["placeholder_values"] = values
        config: Document = {}
        if came.get("stream"):
            params["stream_options"] = {**(came.get("stream_options") or {}), "include_usage": True}
            config["stream"] = {"enabled": True}
        templating = {"prompt": prompt, "model": _model(came, params)}
        config["modules"] = {"prompt_templating": templating, **_given(came, _MODULES)}
        body = {"config": config, **top}
        return ir.Written(body=body, dropped=written.dropped, headers=written.headers, echo=written.echo)

    def pieces(self, echo: ir.Echo | None) -> Callable[[Document], Document]:
        def piece(document: Document) -> Document:
            """An event of a module before the last has no result yet."""
            found = _result(document)
            return found if isinstance(found, dict) else {}

        return piece


def _literal(node: Any, values: dict[str, str]) -> Any:
    """The messages, with each text that a template would be found in replaced by a placeholder of its value."""
    if isinstance(node, str):
        if _MARK not in node:
            return node
        name = f"text_{len(values) + 1}"
        values[name] = node
        return f"{_MARK}{name}}}}}"
    if isinstance(node, list):
        return [_literal(one, values) for one in node]
    if isinstance(node, dict):
        return {
            key: _literal(value, values) if key in ("content", "text") else value
            for key, value in node.items()
        }
    return node


class Embeddings(_Orchestration):
    """https://help.sap.com/docs/sap-ai-core/generative-ai/embeddings"""

    name = "sap_embeddings"

    def written(self, written: ir.Written, target: Target) -> ir.Written:
        came = {**written.body}
        text, kind = came.pop("input", None), came.pop("input_type", None)
        params = {key: value for key, value in came.items() if key not in ("model", "model_version")}
        body = {
            "config": {"modules": {"embeddings": {"model": _model(came, params)}}},
            "input": {"text": text, **({"type": kind} if kind else {})},
        }
        return ir.Written(body=body, dropped=written.dropped, headers=written.headers, echo=written.echo)
