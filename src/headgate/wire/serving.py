"""How Oracle's Generative AI names who answers: a model on demand, or an endpoint of one's own by its OCID.

https://docs.oracle.com/en-us/iaas/api/#/en/generative-ai-inference/20231130/datatypes/ServingMode.
Knows no operation.
"""

from typing import Any, Final

_ENDPOINT: Final = "ocid1.generativeaiendpoint."


def serving(model: str) -> dict[str, Any]:
    """The body's `servingMode`."""
    if model.startswith(_ENDPOINT):
        return {"servingType": "DEDICATED", "endpointId": model}
    return {"servingType": "ON_DEMAND", "modelId": model}
