"""Picture APIs that take a job and answer later: Black Forest Labs, fal, Runway, Replicate.

https://docs.bfl.ai, https://docs.fal.ai, https://docs.dev.runwayml.com/api, https://replicate.com/docs/reference/http.
Each names its rule of `wire/polling.py`; what is read here is the last answer. All answer with addresses.
"""

import re
from abc import abstractmethod
from typing import Any, Final

from headgate.errors import BadRequestError
from headgate.wire import failures, ir
from headgate.wire.dialect import Target
from headgate.wire.images import base
from headgate.wire.ir_images import ImageReply, ImageRequest, Picture
from headgate.wire.shape import reply_object

_RATIOS: Final = ("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "21:9", "9:21")


class Jobs(base.Images):
    takes_urls = True

    def write_request(self, request: ImageRequest, target: Target) -> ir.Written:
        """Raises BadRequestError for a size that can't be read."""
        body, dropped = self._body(request, target.model)
        return ir.Written(body=body, dropped=dropped, headers=self._headers(), echo=base.echo_of(request))

    def read_reply(
        self, body: bytes, echo: ir.Echo | None = None, reply_type: str | None = None
    ) -> ImageReply:
        """Raises APIResponseValidationError, or the error that the body is."""
        document = reply_object(body)
        pictures = self._pictures(document)
        if not pictures and any(document.get(key) for key in ("error", "detail", "failure")):
            raise failures.read_document(document)
        return base.reply_of(pictures, echo)

    @abstractmethod
    def _body(self, request: ImageRequest, model: str) -> tuple[dict[str, Any], list[str]]: ...

    @abstractmethod
    def _pictures(self, document: dict[str, Any]) -> list[Picture]: ...

    def _headers(self) -> dict[str, str]:
        return {}


def _addresses(value: Any, seed: Any = None) -> list[Picture]:
    return [Picture(source=base.source_of(text), seed=base.whole(seed)) for text in base.texts(value)]


# --- Black Forest Labs -----------------------------------------------------------------------------------

_BFL: Final = (
    "safety_tolerance", "prompt_upsampling", "steps", "guidance", "raw", "image_prompt_strength", "aspect_ratio",
    "webhook_url", "webhook_secret", "top", "bottom", "left", "right", "interval", "width", "height",
    "num_inference_steps",
)  # fmt: skip


class BFLImages(Jobs):
    """The model is in the address. What takes the picture to edit is called by the model's kind."""

    name = "bfl_images"
    family = "bfl_images"
    polling = "bfl"

    def _body(self, request: ImageRequest, model: str) -> tuple[dict[str, Any], list[str]]:
        given, dropped = base.others(request, _BFL, self.family)
        body = {
            "prompt": request.prompt,
            **base.present(seed=request.seed, output_format=request.output_format),
        }
        if re.search("ultra|kontext", model) or (request.size and ":" in request.size):
            body |= base.present(aspect_ratio=base.ratio(request.size, _RATIOS))
        elif box := base.sides(request.size):
            body |= {"width": box[0], "height": box[1]}
        body |= given
        edits = bool(re.search("kontext|flux-2", model))
        key = "input_image" if edits else "image" if re.search("fill|expand", model) else "image_prompt"
        for at, source in enumerate(request.images if edits else request.images[:1], 1):
            body[key if at == 1 else f"{key}_{at}"] = _plain(source)
        said = ["size", "seed", "output_format", "images"]
        if request.mask is not None and "fill" in model:
            body["mask"] = _plain(request.mask)
            said.append("mask")
        return body, [*base.unsaid(request, *said), *dropped]

    def _pictures(self, document: dict[str, Any]) -> list[Picture]:
        result = document.get("result")
        return _addresses(result.get("sample"), result.get("seed")) if isinstance(result, dict) else []


def _plain(source: ir.Source) -> str:
    """Base64 as it is, or an address."""
    return source.value


# --- fal -------------------------------------------------------------------------------------------------

_FAL_SIZES: Final = {
    "1024x1024": "square_hd",
    "512x512": "square",
    "1792x1024": "landscape_16_9",
    "1024x1792": "portrait_16_9",
    "1024x768": "landscape_4_3",
    "768x1024": "portrait_4_3",
}
_FAL_NAMED: Final = frozenset(_FAL_SIZES.values())
_BY_RATIO: Final = re.compile("imagen|nano-banana|ultra|kontext|gemini")
_SEVERAL: Final = re.compile("nano-banana|seedream|multi|gemini|flux-2")


class FalImages(Jobs):
    """An app has inputs of its own, so the caller's further keys go as they are."""

    name = "fal_images"
    family = "fal_images"
    polling = "fal_queue"

    def _body(self, request: ImageRequest, model: str) -> tuple[dict[str, Any], list[str]]:
        given, dropped = base.others(request, None, self.family)
        body = base.present(
            prompt=request.prompt or None,
            num_images=request.n,
            seed=request.seed,
            negative_prompt=request.negative_prompt,
            output_format=request.output_format,
        )
        body |= _fal_size(request.size, model) | given
        images = [base.address_of(source) for source in request.images]
        if len(images) > 1 or (images and _SEVERAL.search(model)):
            body["image_urls"] = images
        elif images:
            body["image_url"] = images[0]
        if request.mask is not None:
            body["mask_url"] = base.address_of(request.mask)
        said = ("n", "size", "seed", "negative_prompt", "output_format", "images", "mask")
        return body, [*base.unsaid(request, *said), *dropped]

    def _pictures(self, document: dict[str, Any]) -> list[Picture]:
        rows = base.listed(document.get("images")) or [document.get("image")]
        seed = base.whole(document.get("seed"))
        return [
            Picture(source=base.source_of(row["url"], row.get("content_type")), seed=seed)
            for row in rows
            if isinstance(row, dict) and isinstance(row.get("url"), str)
        ] or _addresses([row for row in rows if isinstance(row, str)], seed)


def _fal_size(size: str | None, model: str) -> dict[str, Any]:
    if size in _FAL_NAMED:
        return {"image_size": size}
    if size and (":" in size or _BY_RATIO.search(model)):
        return base.present(aspect_ratio=base.ratio(size, _RATIOS))
    box = base.sides(size)
    if box is None:
        return {}
    return {"image_size": _FAL_SIZES.get(f"{box[0]}x{box[1]}") or {"width": box[0], "height": box[1]}}


# --- Runway ----------------------------------------------------------------------------------------------


class RunwayImages(Jobs):
    name = "runway_images"
    family = "runway_images"
    polling = "runway_tasks"

    def _body(self, request: ImageRequest, model: str) -> tuple[dict[str, Any], list[str]]:
        """Sizes are ratios in pixels: "1920:1080"."""
        given, dropped = base.others(request, ("ratio", "contentModeration", "referenceImages"), self.family)
        exact = request.size if request.size and ":" in request.size else None
        box = None if exact else base.sides(request.size)
        body = {
            "model": model,
            "promptText": request.prompt,
            "ratio": exact or (f"{box[0]}:{box[1]}" if box else "1920:1080"),
            **base.present(seed=request.seed),
            **given,
        }
        if request.images:
            body["referenceImages"] = [{"uri": base.address_of(source)} for source in request.images]
        return body, [*base.unsaid(request, "size", "seed", "images"), *dropped]

    def _pictures(self, document: dict[str, Any]) -> list[Picture]:
        return _addresses(document.get("output"))


# --- Replicate -------------------------------------------------------------------------------------------

_SHAPED: Final = re.compile(
    "flux|imagen|ideogram|seedream|stable-diffusion-3|nano-banana|photon|gpt-image|qwen"
)
_VERSION: Final = re.compile(r"(?:.+:)?([0-9a-f]{64})")


def version_of(model: str) -> str | None:
    """The version in "owner/name:version" or a bare version; None for a model that is called by its name."""
    found = _VERSION.fullmatch(model)
    return found[1] if found else None


class PredictionImages(Jobs):
    """A model has inputs of its own, so the caller's further keys go as they are."""

    name = "prediction_images"
    family = "prediction_images"
    polling = "predictions"

    def _headers(self) -> dict[str, str]:
        return {"prefer": "wait"}

    def _body(self, request: ImageRequest, model: str) -> tuple[dict[str, Any], list[str]]:
        given, dropped = base.others(request, None, self.family)
        inputs = base.present(
            prompt=request.prompt or None,
            num_outputs=request.n,
            seed=request.seed,
            negative_prompt=request.negative_prompt,
            output_format=request.output_format
            and _FORMATS.get(request.output_format, request.output_format),
            quality=request.quality if "gpt-image" in model else None,
        )
        inputs |= _replicate_size(request.size, model) | given
        images = [base.address_of(source) for source in request.images]
        if images and re.search("nano-banana|seedream", model):
            inputs["image_input"] = images
        elif images:
            if len(images) > 1:
                raise BadRequestError("image: this model takes one picture", param="image")
            inputs["input_image" if "kontext" in model else "image"] = images[0]
        if request.mask is not None:
            inputs["mask"] = base.address_of(request.mask)
        said = ["n", "size", "seed", "negative_prompt", "output_format", "images", "mask"]
        if "gpt-image" in model:
            said.append("quality")
        version = version_of(model)
        body = {"input": inputs, **base.present(version=version)}
        return body, [*base.unsaid(request, *said), *dropped]

    def _pictures(self, document: dict[str, Any]) -> list[Picture]:
        output = document.get("output")
        if isinstance(output, dict):
            output = next((value for value in output.values() if base.texts(value)), None)
        return _addresses(output)


_FORMATS: Final = {"jpeg": "jpg"}


def _replicate_size(size: str | None, model: str) -> dict[str, Any]:
    if size and (":" in size or _SHAPED.search(model)):
        return base.present(aspect_ratio=base.ratio(size, _RATIOS))
    box = base.sides(size)
    return {} if box is None else {"width": box[0], "height": box[1]}


BFL: Final = BFLImages()
FAL: Final = FalImages()
RUNWAY: Final = RunwayImages()
PREDICTIONS: Final = PredictionImages()
