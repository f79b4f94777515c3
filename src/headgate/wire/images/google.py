"""Google's picture models: Imagen through `predict`, Gemini through `generateContent`.

https://ai.google.dev/gemini-api/docs/imagen, https://ai.google.dev/gemini-api/docs/image-generation,
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api. The model's name decides which
body is written, what is in the answer how it is read. A mask goes as it came: Imagen changes its white part.
"""

from typing import Any, Final

from headgate.errors import BadRequestError, ContentPolicyViolationError
from headgate.wire import failures, ir
from headgate.wire.dialect import Target
from headgate.wire.images import base
from headgate.wire.ir_images import ImageReply, ImageRequest, ImageUsage, Picture
from headgate.wire.shape import reply_object

_IMAGEN_RATIOS: Final = ("1:1", "16:9", "9:16", "4:3", "3:4")
_GEMINI_RATIOS: Final = (*_IMAGEN_RATIOS, "3:2", "2:3", "4:5", "5:4", "21:9")
_IMAGEN_KEYS: Final = {
    "person_generation": "personGeneration",
    "safety_setting": "safetySetting",
    "add_watermark": "addWatermark",
    "enhance_prompt": "enhancePrompt",
    "guidance_scale": "guidanceScale",
    "language": "language",
    "edit_mode": "editMode",
    "sample_image_size": "sampleImageSize",
}
"""Keys of `parameters` by their usual spelling; Google's own pass, too."""
_GEMINI_KEYS: Final = frozenset(
    {"safetySettings", "systemInstruction", "generationConfig", "imageConfig", "image_config"}
)
_LARGE: Final = ((3840, "4K"), (2048, "2K"))
"""The longer side in pixels from which on a larger class is asked for; 1K is what comes unasked."""


class GoogleImages(base.Images):
    name = "google_images"
    family = "gemini"

    def write_request(self, request: ImageRequest, target: Target) -> ir.Written:
        """Raises BadRequestError for a size that can't be read, or pictures that are not fetched."""
        write = _imagen if "imagen" in target.model or "imagegeneration" in target.model else _gemini
        body, dropped = write(request)
        return ir.Written(body=body, dropped=dropped, echo=base.echo_of(request))

    def read_reply(
        self, body: bytes, echo: ir.Echo | None = None, reply_type: str | None = None
    ) -> ImageReply:
        """Raises APIResponseValidationError, ContentPolicyViolationError, or the error that the body is."""
        document = reply_object(body)
        if "error" in document:
            raise failures.read_document(document)
        if "candidates" in document or "promptFeedback" in document:
            return _read_gemini(document, echo)
        return _read_imagen(document, echo)


# --- Imagen ----------------------------------------------------------------------------------------------


def _imagen(request: ImageRequest) -> tuple[dict[str, Any], list[str]]:
    keys = {**_IMAGEN_KEYS, **{name: name for name in _IMAGEN_KEYS.values()}}
    given, dropped = base.others(request, (*keys, "outputOptions"), "gemini")
    parameters = {
        "sampleCount": request.n or 1,
        **base.present(
            aspectRatio=base.ratio(request.size, _IMAGEN_RATIOS),
            sampleImageSize=_class(request.size),
            negativePrompt=request.negative_prompt,
            seed=request.seed,
            outputOptions=request.output_format and {"mimeType": f"image/{request.output_format}"},
        ),
    }
    instance: dict[str, Any] = {"prompt": request.prompt}
    if request.images:
        instance["referenceImages"] = _references(request)
        inpaint = "EDIT_MODE_DEFAULT" if request.mask is None else "EDIT_MODE_INPAINT_INSERTION"
        parameters["editMode"] = inpaint
    parameters |= {keys.get(key, key): value for key, value in given.items()}
    left = base.unsaid(request, "n", "size", "negative_prompt", "seed", "output_format", "images", "mask")
    return {"instances": [instance], "parameters": parameters}, [*left, *dropped]


def _references(request: ImageRequest) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"referenceType": "REFERENCE_TYPE_RAW", "referenceImage": _bytes(source, "image")}
        for source in request.images
    ]
    if request.mask is not None:
        rows.append(
            {
                "referenceType": "REFERENCE_TYPE_MASK",
                "maskImageConfig": {"maskMode": "MASK_MODE_USER_PROVIDED"},
                "referenceImage": _bytes(request.mask, "mask"),
            }
        )
    return [{**row, "referenceId": at} for at, row in enumerate(rows, 1)]


def _bytes(source: ir.Source, param: str) -> dict[str, str]:
    return {"bytesBase64Encoded": base.base64_of(source, param)}


def _class(size: str | None) -> str | None:
    if size is None or ":" in size:
        return None
    longest = max(base.sides(size) or (0,))
    return next((name for least, name in _LARGE if longest >= least), None)


def _read_imagen(document: dict[str, Any], echo: ir.Echo | None) -> ImageReply:
    rows = [row for row in base.listed(document.get("predictions")) if isinstance(row, dict)]
    pictures = [
        Picture(
            source=ir.Source("data", row["bytesBase64Encoded"], row.get("mimeType")),
            revised_prompt=row.get("prompt") if isinstance(row.get("prompt"), str) else None,
        )
        for row in rows
        if isinstance(row.get("bytesBase64Encoded"), str)
    ]
    if not pictures:
        said = [reason for row in rows for reason in base.texts(row.get("raiFilteredReason"))]
        raise _filtered("; ".join(said) or "every picture was filtered", document)
    return base.reply_of(pictures, echo)


# --- Gemini ----------------------------------------------------------------------------------------------

_BLOCKED: Final = ("SAFETY", "PROHIBITED", "BLOCKLIST", "RECITATION", "SPII", "OTHER", "JAILBREAK", "ARMOR")


def _gemini(request: ImageRequest) -> tuple[dict[str, Any], list[str]]:
    given, dropped = base.others(request, _GEMINI_KEYS, "gemini")
    parts: list[dict[str, Any]] = [{"text": request.prompt}] if request.prompt else []
    parts += [
        {
            "inlineData": {
                "mimeType": source.media_type or base.type_of(base.raw(source, "image")) or "image/png",
                "data": base.base64_of(source, "image"),
            }
        }
        for source in request.images
    ]
    image = base.present(aspectRatio=base.ratio(request.size, _GEMINI_RATIOS), imageSize=_class(request.size))
    image |= _settings(given, "imageConfig") | _settings(given, "image_config")
    config = {"responseModalities": ["TEXT", "IMAGE"], **base.present(seed=request.seed)}
    if image:
        config["imageConfig"] = image
    config |= _settings(given, "generationConfig")
    body = {**given, "contents": [{"role": "user", "parts": parts}], "generationConfig": config}
    return body, [*base.unsaid(request, "size", "seed", "images"), *dropped]


def _settings(given: dict[str, Any], key: str) -> dict[str, Any]:
    """Takes an object of the caller's out of the keys given. Raises BadRequestError for anything else."""
    value = given.pop(key, None) or {}
    if not isinstance(value, dict):
        raise BadRequestError(f"{key}: expected an object", param=key)
    return value


def _read_gemini(document: dict[str, Any], echo: ir.Echo | None) -> ImageReply:
    candidates = [row for row in base.listed(document.get("candidates")) if isinstance(row, dict)]
    parts = [part for row in candidates for part in _parts(row) if isinstance(part, dict)]
    inline = [part.get("inlineData", part.get("inline_data")) for part in parts if not part.get("thought")]
    pictures = [
        Picture(source=ir.Source("data", data["data"], data.get("mimeType", data.get("mime_type"))))
        for data in inline
        if isinstance(data, dict) and isinstance(data.get("data"), str)
    ]
    if not pictures:
        _explain(document, candidates, parts)
    model = document.get("modelVersion")
    return base.reply_of(
        pictures,
        echo,
        usage=_usage(document.get("usageMetadata")),
        model=model if isinstance(model, str) else None,
    )


def _parts(candidate: dict[str, Any]) -> list[Any]:
    content = candidate.get("content")
    return base.listed(content.get("parts")) if isinstance(content, dict) else []


def _explain(document: dict[str, Any], candidates: list[dict[str, Any]], parts: list[dict[str, Any]]) -> None:
    """Raises what the absence of pictures means."""
    feedback = document.get("promptFeedback")
    blocked = feedback.get("blockReason") if isinstance(feedback, dict) else None
    reason = str(blocked or next((row["finishReason"] for row in candidates if row.get("finishReason")), ""))
    said = " ".join(text for part in parts for text in base.texts(part.get("text")))
    if blocked or any(word in reason for word in _BLOCKED):
        raise _filtered(said or f"the request was blocked: {reason}", document)
    raise base.unreadable(f"it holds no picture ({reason or 'no reason given'}) {said}".strip())


def _filtered(message: str, document: dict[str, Any]) -> ContentPolicyViolationError:
    return ContentPolicyViolationError(message[: failures.MAX_MESSAGE], body=document)


def _usage(given: Any) -> ImageUsage | None:
    if not isinstance(given, dict):
        return None
    thoughts = base.whole(given.get("thoughtsTokenCount"))
    return ImageUsage(
        input=base.whole(given.get("promptTokenCount")) or 0,
        output=(base.whole(given.get("candidatesTokenCount")) or 0) + (thoughts or 0),
        total=base.whole(given.get("totalTokenCount")),
        reasoning=thoughts,
        image_input=_drawn(given.get("promptTokensDetails")),
        image_output=_drawn(given.get("candidatesTokensDetails")),
    )


def _drawn(details: Any) -> int | None:
    counts = [
        base.whole(row.get("tokenCount"))
        for row in base.listed(details)
        if isinstance(row, dict) and row.get("modality") == "IMAGE"
    ]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


DIALECT: Final = GoogleImages()
