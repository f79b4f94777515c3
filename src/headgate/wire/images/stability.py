"""Stability's v2beta picture services: forms in, JSON with one picture out.

https://platform.stability.ai/docs/api-reference. The service is part of the address; of `generate/sd3` the body
names the model. Creative upscaling answers with an id: the rule "stability_results" of `wire/polling.py`.
"""

from typing import Any, Final

from headgate.errors import ContentPolicyViolationError
from headgate.wire import failures, ir
from headgate.wire.dialect import Target
from headgate.wire.images import base
from headgate.wire.ir_images import ImageReply, ImageRequest, Picture
from headgate.wire.shape import reply_object

_RATIOS: Final = ("1:1", "16:9", "9:16", "3:2", "2:3", "5:4", "4:5", "21:9", "9:21", "4:3", "3:4")
_TAKES: Final = (
    "strength", "style_preset", "cfg_scale", "grow_mask", "search_prompt", "select_prompt", "control_strength",
    "fidelity", "creativity", "left", "right", "up", "down", "aspect_ratio", "subject", "background_prompt",
)  # fmt: skip
_STRENGTH: Final = 0.5
"""How far a picture may be left behind, 0 to 1, where the caller doesn't say: these services want a number."""
_FILTERED: Final = "CONTENT_FILTERED"


class StabilityImages(base.Images):
    name = "stability_images"
    family = "stability_images"
    polling = "stability_results"
    takes_files = True

    def write_request(self, request: ImageRequest, target: Target) -> ir.Written:
        """Raises BadRequestError for a size that can't be read, or pictures that are not fetched."""
        given, dropped = base.others(request, _TAKES, self.family)
        fields = base.present(
            prompt=request.prompt or None,
            negative_prompt=request.negative_prompt,
            seed=request.seed,
            output_format=request.output_format,
            aspect_ratio=None if request.images else base.ratio(request.size, _RATIOS),
        )
        fields |= given
        sd3 = target.model.startswith("sd3")
        if sd3:
            fields["model"] = target.model
        if request.images and (sd3 or "ultra" in target.model):
            fields = {**({"mode": "image-to-image"} if sd3 else {}), "strength": _STRENGTH, **fields}
        files = [base.file_of(source, "image") for source in request.images[:1]]
        if request.mask is not None:
            files.append(base.file_of(request.mask, "mask"))
        said = ("size", "seed", "negative_prompt", "output_format", "images", "mask")
        return ir.Written(
            body={"fields": {key: base.field(value) for key, value in fields.items()}, "files": files},
            dropped=[*base.unsaid(request, *said), *dropped],
            headers={**base.FORM, "accept": "application/json"},
            echo=base.echo_of(request),
        )

    def read_reply(
        self, body: bytes, echo: ir.Echo | None = None, reply_type: str | None = None
    ) -> ImageReply:
        """Raises APIResponseValidationError, ContentPolicyViolationError, or the error that the body is."""
        if picture := base.binary(body, reply_type):
            return base.reply_of([picture], echo)
        document = reply_object(body)
        found = document.get("image") or document.get("result")
        rows: list[Any] = base.listed(document.get("artifacts")) or [{**document, "base64": found}]
        pictures = [picture for row in rows if (picture := _picture(row))]
        if not pictures and document.get("errors"):
            raise failures.read_document(document)
        if not pictures and any(_FILTERED in row.values() for row in rows if isinstance(row, dict)):
            raise ContentPolicyViolationError("the picture was filtered", body=document)
        return base.reply_of(pictures, echo)


def _picture(row: Any) -> Picture | None:
    data = row.get("base64") if isinstance(row, dict) else None
    if not isinstance(data, str) or _FILTERED in (row.get("finish_reason"), row.get("finishReason")):
        return None
    return Picture(source=ir.Source("data", data), seed=base.whole(row.get("seed")))


DIALECT: Final = StabilityImages()
