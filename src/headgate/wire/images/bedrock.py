"""Picture models behind Bedrock's `invoke`: Titan and Nova Canvas, Stability's SDXL, and Stability's later ones.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-image.html, …-stability-diffusion.html,
https://docs.aws.amazon.com/nova/latest/userguide/image-gen-req-resp-structure.html. The model's name decides which
body is written. A mask goes as it came: Nova and Titan change its black part, Stability its white one.
"""

import re
from collections.abc import Callable
from itertools import zip_longest
from typing import Any, Final

from headgate.errors import ContentPolicyViolationError
from headgate.wire import failures, ir
from headgate.wire.dialect import Target
from headgate.wire.images import base
from headgate.wire.ir_images import ImageReply, ImageRequest, Picture
from headgate.wire.shape import reply_object

_Body = tuple[dict[str, Any], list[str]]

_RATIOS: Final = ("1:1", "16:9", "9:16", "3:2", "2:3", "5:4", "4:5", "21:9", "9:21")
_CONFIG: Final = {"cfg_scale": "cfgScale", "cfgScale": "cfgScale"}
_TEXT: Final = {
    "condition_image": "conditionImage",
    "conditionImage": "conditionImage",
    "control_mode": "controlMode",
    "controlMode": "controlMode",
    "control_strength": "controlStrength",
    "controlStrength": "controlStrength",
}
_QUALITY: Final = {
    "hd": "premium",
    "high": "premium",
    "low": "standard",
    "medium": "standard",
    "auto": "standard",
}
_SDXL: Final = ("cfg_scale", "steps", "style_preset", "sampler", "clip_guidance_preset", "samples", "weight")
_SD3: Final = (
    "strength", "mode", "style_preset", "grow_mask", "search_prompt", "select_prompt", "control_strength",
    "fidelity", "creativity", "left", "right", "up", "down", "aspect_ratio", "cfg_scale",
)  # fmt: skip


class BedrockImages(base.Images):
    name = "bedrock_images"
    family = "bedrock_images"

    def write_request(self, request: ImageRequest, target: Target) -> ir.Written:
        """Raises BadRequestError for a size that can't be read, or pictures that are not fetched."""
        write = next(write for pattern, write in _WRITERS if re.search(pattern, target.model))
        body, dropped = write(request)
        return ir.Written(body=body, dropped=dropped, echo=base.echo_of(request))

    def read_reply(
        self, body: bytes, echo: ir.Echo | None = None, reply_type: str | None = None
    ) -> ImageReply:
        """Raises APIResponseValidationError, ContentPolicyViolationError, or the error that the body is."""
        document = reply_object(body)
        pictures, reasons = _pictures(document)
        if pictures:
            return base.reply_of(pictures, echo)
        if error := document.get("error"):
            raise failures.read_document({"message": str(error)}, 400)
        if reasons:
            raise ContentPolicyViolationError(f"the picture was filtered: {reasons[0]}", body=document)
        raise base.unreadable("expected images or artifacts")


def _amazon(request: ImageRequest) -> _Body:
    given, dropped = base.others(request, (*_CONFIG, *_TEXT), "bedrock_images")
    box = base.sides(request.size)
    words = base.present(text=request.prompt or None, negativeText=request.negative_prompt or None)
    config = base.present(
        numberOfImages=request.n or 1,
        width=box and box[0],
        height=box and box[1],
        quality=request.quality and _QUALITY.get(request.quality, request.quality),
        seed=request.seed,
    )
    config |= {_CONFIG[key]: value for key, value in given.items() if key in _CONFIG}
    words |= {_TEXT.get(key, key): value for key, value in given.items() if key not in _CONFIG}
    images = [base.base64_of(source, "image") for source in request.images]
    if not images:
        body: dict[str, Any] = {"taskType": "TEXT_IMAGE", "textToImageParams": words}
    elif request.mask is not None:
        words |= {"image": images[0], "maskImage": base.base64_of(request.mask, "mask")}
        body = {"taskType": "INPAINTING", "inPaintingParams": words}
    else:
        body = {"taskType": "IMAGE_VARIATION", "imageVariationParams": {**words, "images": images}}
    left = base.unsaid(request, "n", "size", "quality", "seed", "negative_prompt", "images", "mask")
    return {**body, "imageGenerationConfig": config}, [*left, *dropped]


def _sdxl(request: ImageRequest) -> _Body:
    given, dropped = base.others(request, _SDXL, "bedrock_images")
    prompts: list[dict[str, Any]] = [{"text": request.prompt, "weight": given.pop("weight", 1)}]
    if request.negative_prompt:
        prompts.append({"text": request.negative_prompt, "weight": -1})
    box = base.sides(request.size)
    body = {
        "text_prompts": prompts,
        **base.present(width=box and box[0], height=box and box[1], seed=request.seed),
        **given,
    }
    if request.images:
        body["init_image"] = base.base64_of(request.images[0], "image")
    if request.mask is not None:
        body |= {"mask_source": "MASK_IMAGE_WHITE", "mask_image": base.base64_of(request.mask, "mask")}
    return body, [*base.unsaid(request, "size", "seed", "negative_prompt", "images", "mask"), *dropped]


def _sd3(request: ImageRequest) -> _Body:
    given, dropped = base.others(request, _SD3, "bedrock_images")
    body = {
        **base.present(
            prompt=request.prompt or None,
            negative_prompt=request.negative_prompt,
            seed=request.seed,
            output_format=request.output_format,
        ),
        **given,
    }
    if request.images:
        body["image"] = base.base64_of(request.images[0], "image")
    elif (shape := base.ratio(request.size, _RATIOS)) is not None:
        body.setdefault("aspect_ratio", shape)
    if request.mask is not None:
        body["mask"] = base.base64_of(request.mask, "mask")
    said = ("size", "negative_prompt", "seed", "output_format", "images", "mask")
    return body, [*base.unsaid(request, *said), *dropped]


_WRITERS: Final[tuple[tuple[str, Callable[[ImageRequest], _Body]], ...]] = (
    (r"titan-image|nova-canvas", _amazon),
    (r"stable-diffusion-xl", _sdxl),
    (r"", _sd3),
)


def _pictures(document: dict[str, Any]) -> tuple[list[Picture], list[str]]:
    """The pictures, and why others are missing."""
    if artifacts := base.listed(document.get("artifacts")):
        rows = [row for row in artifacts if isinstance(row, dict)]
        found = [(row.get("base64"), row.get("finishReason"), row.get("seed")) for row in rows]
    else:
        columns = (base.listed(document.get(key)) for key in ("images", "finish_reasons", "seeds"))
        found = list(zip_longest(*columns))
    made = [
        Picture(source=ir.Source("data", image), seed=base.whole(seed))
        for image, reason, seed in found
        if isinstance(image, str) and image and reason in (None, "SUCCESS")
    ]
    return made, [str(reason) for _, reason, _ in found if reason not in (None, "SUCCESS")]


DIALECT: Final = BedrockImages()
