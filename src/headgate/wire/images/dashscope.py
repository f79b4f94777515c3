"""DashScope's pictures: Qwen-Image and its relatives through `multimodal-generation`.

https://www.alibabacloud.com/help/en/model-studio/qwen-image-api. Sizes are written "1024*1024"; pictures to edit go
before the prompt, by address or as data.
"""

from typing import Any, Final

from headgate.wire import failures, ir
from headgate.wire.dialect import Target
from headgate.wire.images import base
from headgate.wire.ir_images import ImageReply, ImageRequest, ImageUsage, Picture
from headgate.wire.shape import reply_object

_TAKES: Final = ("prompt_extend", "watermark")


class DashScopeImages(base.Images):
    name = "dashscope_images"
    family = "dashscope_images"
    names_model = "body"
    takes_urls = True

    def write_request(self, request: ImageRequest, target: Target) -> ir.Written:
        """Raises BadRequestError for a size that can't be read."""
        given, dropped = base.others(request, _TAKES, self.family)
        content = [{"image": base.address_of(source)} for source in request.images]
        if request.prompt:
            content.append({"text": request.prompt})
        box = base.sides(request.size)
        parameters = base.present(
            size=box and f"{box[0]}*{box[1]}",
            n=request.n,
            negative_prompt=request.negative_prompt,
            seed=request.seed,
        )
        body = {
            "model": target.model,
            "input": {"messages": [{"role": "user", "content": content}]},
            "parameters": {**parameters, **given},
        }
        left = base.unsaid(request, "size", "n", "negative_prompt", "seed", "images")
        return ir.Written(body=body, dropped=[*left, *dropped], echo=base.echo_of(request))

    def read_reply(
        self, body: bytes, echo: ir.Echo | None = None, reply_type: str | None = None
    ) -> ImageReply:
        """Raises APIResponseValidationError, or the error that the body is: some come with status 200."""
        document = reply_object(body)
        output = document.get("output")
        if not isinstance(output, dict):
            raise failures.read_document(document) if document.get("code") else base.unreadable("no output")
        choices = [row for row in base.listed(output.get("choices")) if isinstance(row, dict)]
        parts = [part for row in choices for part in _parts(row)]
        links = [link for part in parts if isinstance(part, dict) for link in base.texts(part.get("image"))]
        size = _size(document.get("usage"))
        pictures = [Picture(source=base.source_of(link)) for link in links]
        return base.reply_of(pictures, echo, usage=ImageUsage(size=size))


def _parts(choice: dict[str, Any]) -> list[Any]:
    message = choice.get("message")
    return base.listed(message.get("content")) if isinstance(message, dict) else []


def _size(usage: Any) -> str | None:
    """The size that was made, by the answer's own count."""
    width, height = (
        base.whole(usage.get(key)) if isinstance(usage, dict) else None for key in ("width", "height")
    )
    return f"{width}x{height}" if width and height else None


DIALECT: Final = DashScopeImages()
