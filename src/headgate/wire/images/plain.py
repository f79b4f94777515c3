"""Picture APIs that answer with the picture itself, or with one in a small JSON.

Fireworks: https://docs.fireworks.ai/api-reference/generate-a-new-image-from-a-text-prompt · Cloudflare:
https://developers.cloudflare.com/workers-ai/models/ · Hugging Face:
https://huggingface.co/docs/inference-providers/tasks/text-to-image · Topaz: https://developer.topazlabs.com.
"""

from abc import abstractmethod
from typing import Any, Final

from headgate.errors import ContentPolicyViolationError
from headgate.wire import failures, ir
from headgate.wire.dialect import Target
from headgate.wire.images import base
from headgate.wire.ir_images import ImageReply, ImageRequest, Picture
from headgate.wire.shape import reply_object

_RATIOS: Final = ("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "21:9", "9:21", "4:5", "5:4")


class _Answers(base.Images):
    """The reading half: a picture, or a JSON that holds pictures."""

    def read_reply(
        self, body: bytes, echo: ir.Echo | None = None, reply_type: str | None = None
    ) -> ImageReply:
        """Raises APIResponseValidationError, ContentPolicyViolationError, or the error that the body is."""
        if picture := base.binary(body, reply_type):
            return base.reply_of([picture], echo)
        document = reply_object(body)
        if document.get("finishReason") == "CONTENT_FILTERED":
            raise ContentPolicyViolationError("the picture was filtered", body=document)
        pictures = [
            Picture(source=base.source_of(text), seed=base.whole(document.get("seed")))
            for text in self._data(document)
        ]
        if not pictures and any(document.get(key) for key in ("error", "errors", "detail", "message")):
            raise failures.read_document(document)
        return base.reply_of(pictures, echo)

    def _data(self, document: dict[str, Any]) -> list[str]:
        """The pictures of an answer in JSON."""
        result = document.get("result", document)
        keys = ("image", "images", "base64", "b64_json", "url", "download_url")
        found = [base.texts(result.get(key)) for key in keys] if isinstance(result, dict) else []
        return next((rows for rows in found if rows), [])


class Plain(_Answers):
    """A JSON body that a subclass makes of the request."""

    def write_request(self, request: ImageRequest, target: Target) -> ir.Written:
        """Raises BadRequestError for a size that can't be read, or pictures that are not fetched."""
        body, dropped = self._body(request, target.model)
        return ir.Written(body=body, dropped=dropped, headers=self._headers(), echo=base.echo_of(request))

    @abstractmethod
    def _body(self, request: ImageRequest, model: str) -> tuple[dict[str, Any], list[str]]: ...

    def _headers(self) -> dict[str, str]:
        return {}


class FireworksImages(Plain):
    """Kontext models edit one picture, and answer with a job: the rule "fireworks_results"."""

    name = "fireworks_images"
    family = "fireworks_images"
    polling = "fireworks_results"
    takes_urls = True

    def _headers(self) -> dict[str, str]:
        return {"accept": "application/json"}

    def _body(self, request: ImageRequest, model: str) -> tuple[dict[str, Any], list[str]]:
        kontext = "kontext" in model
        takes = (
            ("prompt_upsampling", "safety_tolerance")
            if kontext
            else ("guidance_scale", "num_inference_steps")
        )
        given, dropped = base.others(request, takes, self.family)
        body = base.present(
            prompt=request.prompt,
            aspect_ratio=base.ratio(request.size, _RATIOS),
            seed=request.seed,
        )
        said = ["size", "seed"]
        if kontext:
            body |= base.present(output_format=request.output_format)
            said += ["output_format", "images"]
            if request.images:
                body["input_image"] = base.address_of(request.images[0])
        return {**body, **given}, [*base.unsaid(request, *said), *dropped]

    def _data(self, document: dict[str, Any]) -> list[str]:
        result = document.get("result")
        sample = base.texts(result.get("sample")) if isinstance(result, dict) else []
        return sample or super()._data(document)


class CloudflareImages(Plain):
    name = "cloudflare_images"
    family = "cloudflare_images"

    def _body(self, request: ImageRequest, model: str) -> tuple[dict[str, Any], list[str]]:
        given, dropped = base.others(request, ("num_steps", "steps", "guidance", "strength"), self.family)
        box = base.sides(request.size)
        body = base.present(
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            width=box and box[0],
            height=box and box[1],
            seed=request.seed,
            image_b64=base.base64_of(request.images[0], "image") if request.images else None,
        )
        if request.mask is not None:
            body["mask_b64"] = base.base64_of(request.mask, "mask")
        said = ("size", "seed", "negative_prompt", "images", "mask")
        return {**body, **given}, [*base.unsaid(request, *said), *dropped]


class PipelineImages(Plain):
    """A pipeline of Hugging Face's inference API; pictures to edit are the inputs, the prompt a parameter."""

    name = "pipeline_images"
    family = "pipeline_images"

    def _headers(self) -> dict[str, str]:
        return {"accept": "image/*"}

    def _body(self, request: ImageRequest, model: str) -> tuple[dict[str, Any], list[str]]:
        takes = ("num_inference_steps", "guidance_scale", "scheduler", "strength")
        given, dropped = base.others(request, takes, self.family)
        box = base.sides(request.size)
        parameters = base.present(
            width=box and box[0],
            height=box and box[1],
            seed=request.seed,
            negative_prompt=request.negative_prompt,
        )
        parameters |= given
        inputs = request.prompt
        if request.images:
            inputs = base.base64_of(request.images[0], "image")
            parameters |= base.present(prompt=request.prompt or None)
        body = {"inputs": inputs, **({"parameters": parameters} if parameters else {})}
        return body, [*base.unsaid(request, "size", "seed", "negative_prompt", "images"), *dropped]


class TopazImages(_Answers):
    """Enhancing of one picture, sent as a form. The rule "topaz_jobs" is for its addresses that end in /async."""

    name = "topaz_images"
    family = "topaz_images"
    names_model = "body"
    polling = "topaz_jobs"
    takes_files = True

    def write_request(self, request: ImageRequest, target: Target) -> ir.Written:
        takes = (
            "output_width", "output_height", "crop_to_fill", "face_enhancement", "subject_detection",
            "face_enhancement_creativity", "face_enhancement_strength", "sharpen", "denoise", "fix_compression",
        )  # fmt: skip
        given, dropped = base.others(request, takes, self.family)
        box = base.sides(request.size)
        fields = {
            "model": target.model,
            **base.present(
                output_width=box and box[0],
                output_height=box and box[1],
                output_format=request.output_format,
                prompt=request.prompt or None,
            ),
            **given,
        }
        kind = request.output_format or "jpeg"
        return ir.Written(
            body={
                "fields": {key: base.field(value) for key, value in fields.items()},
                "files": [base.file_of(base.first_image(request), "image")],
            },
            dropped=[*base.unsaid(request, "size", "output_format", "images"), *dropped],
            headers={**base.FORM, "accept": f"image/{kind}"},
            echo=base.echo_of(request),
        )


FIREWORKS: Final = FireworksImages()
CLOUDFLARE: Final = CloudflareImages()
PIPELINE: Final = PipelineImages()
TOPAZ: Final = TopazImages()
