"""Picture APIs that are OpenAI's but for some keys: one row each says which.

together: https://docs.together.ai/reference/post-images-generations · nebius: https://docs.nebius.com/studio/ ·
hyperbolic: https://docs.hyperbolic.xyz/docs/image-generation · xai: https://docs.x.ai/docs/guides/image-generations
· recraft: https://www.recraft.ai/docs · openrouter: https://openrouter.ai/docs · ark:
https://www.volcengine.com/docs/82379/1541523 · aiml: https://docs.aimlapi.com. Replies are read as OpenAI's.
"""

from collections.abc import Callable
from typing import Any, Final, Literal

from msgspec import Struct

from headgate.errors import BadRequestError
from headgate.wire import ir
from headgate.wire.dialect import Target
from headgate.wire.images import answers, base
from headgate.wire.ir_images import ImageReply, ImageRequest
from headgate.wire.shape import reply_object

_RATIOS: Final = ("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "2:1", "1:2")


class Likeness(Struct, frozen=True, kw_only=True):
    """How an API differs.

    takes     the fields of a request that it has; the others are reported
    edits     keys that an edit must have, and what stands there where the caller doesn't say
    rename    OpenAI's key → its own
    size      as OpenAI's "size", as "width" and "height" ("sides"), both in "image_size" ("box"),
              or as "aspect_ratio" ("ratio")
    formats   values of response_format by its own names
    pictures  how pictures to edit are sent: as a form, or under this key of the JSON; "" where there are none
    """

    takes: tuple[str, ...]
    edits: dict[str, Any] = {}
    rename: dict[str, str] = {}
    size: Literal["size", "sides", "box", "ratio"] = "size"
    formats: dict[str, str] = {}
    pictures: Literal["form", "image", "images", "input_references", "image_url", ""] = ""


class Like(base.Images):
    names_model = "body"
    takes_urls = True

    def __init__(self, name: str, likeness: Likeness) -> None:
        self.name = name
        self.family = name
        self._like = likeness
        self.takes_files = likeness.pictures == "form"
        self.takes_urls = not self.takes_files

    def write_request(self, request: ImageRequest, target: Target) -> ir.Written:
        """Raises BadRequestError for a size that can't be read."""
        like = self._like
        given, dropped = base.others(request, None, self.family)
        if request.images:
            given = {**like.edits, **given}
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
        if request.images and like.pictures == "form":
            self._as_form(written, request)
        elif request.images and like.pictures:
            written.body[like.pictures] = _WRAPS[like.pictures]([*map(base.address_of, request.images)])
        return written

    def _size(self, size: str | None) -> dict[str, Any]:
        if self._like.size == "ratio":
            return base.present(aspect_ratio=base.ratio(size, _RATIOS))
        if self._like.size == "size":
            return base.present(size=size)
        box = base.sides(size)
        if box is None:
            return {}
        sides = {"width": box[0], "height": box[1]}
        return {"image_size": sides} if self._like.size == "box" else sides

    def _as_form(self, written: ir.Written, request: ImageRequest) -> None:
        files = [base.file_of(source, "image") for source in request.images[:1]]
        fields = {key: base.field(value) for key, value in written.body.items()}
        written.body, written.headers = {"fields": fields, "files": files}, dict(base.FORM)

    def read_reply(
        self, body: bytes, echo: ir.Echo | None = None, reply_type: str | None = None
    ) -> ImageReply:
        return answers.read_document(reply_object(body), echo)


def _one(addresses: list[str]) -> str:
    if len(addresses) > 1:
        raise BadRequestError("image: this API takes one picture", param="image")
    return addresses[0]


_WRAPS: Final[dict[str, Callable[[list[str]], Any]]] = {
    "image_url": _one,
    "image": lambda addresses: addresses[0] if len(addresses) == 1 else addresses,
    "images": lambda addresses: [{"type": "image_url", "url": address} for address in addresses],
    "input_references": lambda addresses: [
        {"type": "image_url", "image_url": {"url": address}} for address in addresses
    ],
}
"""What stands under a key for pictures."""

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
XAI: Final = Like("xai_images", Likeness(takes=("n", "size", "user"), size="ratio", pictures="images"))
RECRAFT: Final = Like(
    "recraft_images",
    Likeness(takes=("n", "size", "style", "negative_prompt"), edits={"strength": 0.2}, pictures="form"),
)
OPENROUTER: Final = Like(
    "openrouter_images",
    Likeness(
        takes=("n", "size", "quality", "background", "output_format", "seed"), pictures="input_references"
    ),
)
ARK: Final = Like("ark_images", Likeness(takes=("size", "seed", "output_format"), pictures="image"))
AIML: Final = Like(
    "aiml_images",
    Likeness(
        takes=("n", "size", "seed", "negative_prompt", "output_format"),
        rename={"n": "num_images"},
        size="box",
        pictures="image_url",
    ),
)
