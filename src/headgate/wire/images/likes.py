"""Picture APIs that are OpenAI's but for some keys: one row each says which.

together: https://docs.together.ai/reference/post-images-generations · nebius: https://docs.nebius.com/studio/ ·
hyperbolic: https://docs.hyperbolic.xyz/docs/image-generation · xai: https://docs.x.ai/docs/guides/image-generations
· recraft: https://www.recraft.ai/docs · openrouter: https://openrouter.ai/docs. Replies are read as OpenAI's.
"""

from typing import Any, Final, Literal

from msgspec import Struct

from headgate.errors import BadRequestError
from headgate.wire import ir
from headgate.wire.dialect import Target
from headgate.wire.images import answers, base
from headgate.wire.ir_images import ImageReply, ImageRequest

_RATIOS: Final = ("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "2:1", "1:2")


class Likeness(Struct, frozen=True, kw_only=True):
    """How an API differs.

    takes     the fields of a request that it has; the others are reported
    rename    OpenAI's key → its own
    size      as OpenAI's "size", as "width" and "height" ("sides"), or as "aspect_ratio" ("ratio")
    formats   values of response_format by its own names
    pictures  how pictures to edit are sent: as a form, or under this key of the JSON as `{"type", wrap: …}`
    """

    takes: tuple[str, ...]
    rename: dict[str, str] = {}
    size: Literal["size", "sides", "ratio"] = "size"
    formats: dict[str, str] = {}
    pictures: Literal["form", "images", "input_references", "image_url", ""] = ""


class Like(base.Images):
    names_model = "body"
    takes_urls = True

    def __init__(self, name: str, likeness: Likeness) -> None:
        self.name = name
        self.family = name
        self._like = likeness
        self.takes_urls = likeness.pictures != "form"

    def write_request(self, request: ImageRequest, target: Target) -> ir.Written:
        """Raises BadRequestError for a size that can't be read."""
        like = self._like
        given, dropped = base.others(request, None, self.family)
        body: dict[str, Any] = {"model": target.model, **given, **base.present(prompt=request.prompt or None)}
        for key in like.takes:
            if key not in ("size", "images", "mask") and (value := getattr(request, key)) is not None:
                body[key] = value
        if request.response_format is not None:
            asked = request.response_format
            body["response_format"] = like.formats.get(asked, asked)
        if "size" in like.takes:
            body |= self._size(request.size)
        body = {like.rename.get(key, key): value for key, value in body.items()}
        said = (*like.takes, *(("images",) if like.pictures else ()))
        written = ir.Written(
            body=body, dropped=[*base.unsaid(request, *said), *dropped], echo=base.echo_of(request)
        )
        if request.images and like.pictures:
            self._add(written, request)
        return written

    def _size(self, size: str | None) -> dict[str, Any]:
        if self._like.size == "ratio":
            return base.present(aspect_ratio=base.ratio(size, _RATIOS))
        if self._like.size == "size":
            return base.present(size=size)
        box = base.sides(size)
        return {} if box is None else {"width": box[0], "height": box[1]}

    def _add(self, written: ir.Written, request: ImageRequest) -> None:
        match self._like.pictures:
            case "form":
                files = [base.file_of(source, "image") for source in request.images[:1]]
                if request.mask is not None and "mask" in self._like.takes:
                    files.append(base.file_of(request.mask, "mask"))
                fields = {key: base.field(value) for key, value in written.body.items()}
                written.body, written.headers = {"fields": fields, "files": files}, dict(base.FORM)
            case "image_url":
                if len(request.images) > 1:
                    raise BadRequestError("image: this API takes one picture", param="image")
                written.body["image_url"] = base.address_of(request.images[0])
            case "images":
                written.body["images"] = [
                    {"type": "image_url", "url": base.address_of(source)} for source in request.images
                ]
            case _:
                written.body["input_references"] = [
                    {"type": "image_url", "image_url": {"url": base.address_of(source)}}
                    for source in request.images
                ]

    def read_reply(
        self, body: bytes, echo: ir.Echo | None = None, reply_type: str | None = None
    ) -> ImageReply:
        return answers.read_document(base.document_of(body), echo)


TOGETHER: Final = Like(
    "together_images",
    Likeness(
        takes=("n", "size", "seed", "negative_prompt", "output_format"),
        size="sides",
        formats={"b64_json": "base64"},
        pictures="image_url",
    ),
)
NEBIUS: Final = Like(
    "nebius_images",
    Likeness(
        takes=("size", "seed", "negative_prompt", "output_format"),
        rename={"output_format": "response_extension"},
        size="sides",
    ),
)
HYPERBOLIC: Final = Like(
    "hyperbolic_images",
    Likeness(takes=("size", "seed", "negative_prompt"), rename={"model": "model_name"}, size="sides"),
)
XAI: Final = Like(
    "xai_images", Likeness(takes=("n", "size", "quality", "user"), size="ratio", pictures="images")
)
RECRAFT: Final = Like(
    "recraft_images", Likeness(takes=("n", "size", "style", "negative_prompt"), pictures="form")
)
OPENROUTER: Final = Like(
    "openrouter_images",
    Likeness(
        takes=("n", "size", "quality", "background", "output_format", "seed"), pictures="input_references"
    ),
)
