"""Companies that make pictures and have a format of their own. Sources: docs.bfl.ai, docs.fal.ai,
www.recraft.ai/docs, docs.dev.runwayml.com, platform.stability.ai/docs/api-reference, developer.topazlabs.com."""

from headgate.providers.base import Auth, Provider, Site

_SERVICES = {
    "generate": ("core", "ultra", "sd3"),
    "edit": (
        "inpaint",
        "outpaint",
        "erase",
        "search-and-replace",
        "search-and-recolor",
        "remove-background",
        "replace-background-and-relight",
    ),
    "upscale": ("fast", "conservative", "creative"),
    "control": ("sketch", "structure", "style", "style-transfer"),
}
_GROUP = {service: group for group, services in _SERVICES.items() for service in services}


def _stability(site: Site) -> str:
    """The service that a model's name means: "sd3.5-large" is made by sd3, "stable-image-core" is core."""
    name = site.model.removeprefix("stable-image-").removeprefix("stable-").removesuffix("-upscale")
    service = "sd3" if name.startswith("sd3") else name.partition(":")[0]
    if service not in _GROUP:
        return site.provider.paths[site.operation]
    return f"/v2beta/stable-image/{_GROUP[service]}/{service}"


ROWS: tuple[Provider, ...] = (
    Provider(
        id="black_forest_labs",
        name="Black Forest Labs",
        base_url="https://api.bfl.ai",
        base_url_env=("BFL_API_BASE",),
        api_key_env=("BFL_API_KEY", "BLACK_FOREST_LABS_API_KEY"),
        auth=Auth(header="x-key", scheme=""),
        paths={"images": "/v1/{model}", "image_edits": "/v1/{model}"},
        dialects={"images": "bfl_images", "image_edits": "bfl_images"},
    ),
    Provider(
        id="fal_ai",
        name="fal.ai",
        aliases=("fal",),
        base_url="https://fal.run",
        base_url_env=("FAL_AI_API_BASE",),
        api_key_env=("FAL_AI_API_KEY", "FAL_KEY"),
        auth=Auth(scheme="Key"),
        paths={"images": "/{model}", "image_edits": "/{model}", "image_variations": "/{model}"},
        dialects={"images": "fal_images", "image_edits": "fal_images", "image_variations": "fal_images"},
    ),
    Provider(
        id="recraft",
        name="Recraft",
        base_url="https://external.api.recraft.ai",
        base_url_env=("RECRAFT_API_BASE",),
        api_key_env=("RECRAFT_API_KEY",),
        paths={"images": "/v1/images/generations", "image_edits": "/v1/images/imageToImage"},
        dialects={"images": "recraft_images", "image_edits": "recraft_images"},
    ),
    Provider(
        id="runwayml",
        name="Runway",
        base_url="https://api.dev.runwayml.com",
        base_url_env=("RUNWAYML_API_BASE",),
        api_key_env=("RUNWAYML_API_SECRET", "RUNWAYML_API_KEY"),
        headers={"x-runway-version": "2024-11-06"},
        paths={"images": "/v1/text_to_image", "image_edits": "/v1/text_to_image"},
        dialects={"images": "runway_images", "image_edits": "runway_images"},
    ),
    Provider(
        id="stability",
        name="Stability AI",
        base_url="https://api.stability.ai",
        base_url_env=("STABILITY_API_BASE",),
        api_key_env=("STABILITY_API_KEY",),
        paths={
            "images": "/v2beta/stable-image/generate/{model}",
            "image_edits": "/v2beta/stable-image/edit/{model}",
            "image_variations": "/v2beta/stable-image/upscale/{model}",
        },
        path_of=_stability,
        dialects={
            "images": "stability_images",
            "image_edits": "stability_images",
            "image_variations": "stability_images",
        },
    ),
    Provider(
        id="topaz",
        name="Topaz Labs",
        base_url="https://api.topazlabs.com",
        base_url_env=("TOPAZ_API_BASE",),
        api_key_env=("TOPAZ_API_KEY",),
        auth=Auth(header="x-api-key", scheme=""),
        paths={"image_edits": "/image/v1/enhance", "image_variations": "/image/v1/enhance"},
        dialects={"image_edits": "topaz_images", "image_variations": "topaz_images"},
    ),
)
