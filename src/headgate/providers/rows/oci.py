"""Oracle Cloud's Generative AI. https://docs.oracle.com/en-us/iaas/api/#/en/generative-ai-inference/20231130/

`oci/<model>` is asked on demand, `oci/<OCID of an endpoint>` on a dedicated cluster; `oci/cohere/<OCID>` is one that
speaks Cohere's format, `oci/cohere_v2/<OCID>` one that speaks its second. Whose compartment pays says
`oci_compartment_id`. Signed by a user's key, or with an API key of newer regions as a bearer.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from headgate.errors import BadRequestError
from headgate.providers.address import LABEL
from headgate.providers.base import Auth, Provider, Variant

_NAME = "Oracle Cloud Generative AI"


def _base(path: str, params: Mapping[str, Any], env: Mapping[str, str]) -> str:
    from headgate.providers.auth import oracle  # only who calls Oracle needs it
    from headgate.providers.auth.base import Surroundings

    around = Surroundings(params=params, env=env, read=lambda path: Path(path).read_bytes(), provider=_NAME)
    region = oracle.region(around)
    if not LABEL.fullmatch(region):
        raise BadRequestError(
            f"{_NAME}'s address is made of the region: set oci_region (OCI_REGION in the environment, region in "
            f"a profile of {oracle.CONFIG}) to a name like us-chicago-1, or give api_base",
            llm_provider=ROW.id,
            param="oci_region",
        )
    return f"https://inference.generativeai.{region}.oci.oraclecloud.com"


ROW = Provider(
    id="oci",
    name=_NAME,
    dialect="oci_generic",
    embeddings="oci_embeddings",
    dialects={"rerank": "oci_rerank"},
    base_of=_base,
    auth=Auth(optional=True),
    credential="oracle",
    paths={
        "chat": "/20231130/actions/chat",
        "embeddings": "/20231130/actions/embedText",
        "rerank": "/20231130/actions/rerankText",
    },
    body_vars={"compartmentId": ("oci_compartment_id", "OCI_COMPARTMENT_ID")},
    body_model=False,
    stream_usage="always",
)
_COHERE = replace(ROW, dialect="oci_cohere")
_COHERE_V2 = replace(ROW, dialect="oci_cohere_v2")
ROW = replace(
    ROW,
    variants=(
        Variant(match=r"cohere/", cut="cohere/", row=_COHERE),
        Variant(match=r"cohere_v2/", cut="cohere_v2/", row=_COHERE_V2),
        Variant(match=r"cohere\.command-a", row=_COHERE_V2),
        Variant(match=r"cohere\.", row=_COHERE),
    ),
)
