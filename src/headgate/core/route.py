"""Groups: public model names and the deployments behind them, and which one a call goes to."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches

from headgate.core.deployment import Deployment
from headgate.errors import NotFoundError


class Group:
    """One public name. `pick` shuffles by weight, else rpm, else tpm, within the lowest `order`."""

    def __init__(self, name: str, deployments: Sequence[Deployment]) -> None:
        self.name = name
        self.deployments = tuple(deployments)
        self._only = deployments[0] if len(deployments) == 1 else None

    def pick(self, tried: Sequence[Deployment], dice: Callable[[], float]) -> Deployment:
        """One that was not tried yet, any one when all were."""
        if self._only is not None:
            return self._only
        fresh = [deployment for deployment in self.deployments if deployment not in tried]
        fresh = fresh or list(self.deployments)
        lowest = min(deployment.order for deployment in fresh)
        fresh = [deployment for deployment in fresh if deployment.order == lowest]
        return _weighted(fresh, dice)


def _weighted(deployments: list[Deployment], dice: Callable[[], float]) -> Deployment:
    for name in ("weight", "rpm", "tpm"):
        weights = [getattr(deployment, name) or 0.0 for deployment in deployments]
        if total := sum(weights):
            mark = dice() * total
            for deployment, weight in zip(deployments, weights, strict=True):
                mark -= weight
                if mark < 0:
                    return deployment
    return deployments[int(dice() * len(deployments))]


def unknown_model(model: str, known: Mapping[str, object] | Sequence[str]) -> NotFoundError:
    """The error for a name that no group has: nearest names first, then the rest."""
    names = list(known)
    near = get_close_matches(model, names, n=3, cutoff=0.4)
    shown = [*near, *(name for name in names if name not in near)][:10]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return NotFoundError(
        f"Invalid model name passed in model={model}. Known models, nearest first: "
        f"{', '.join(shown) or 'none'}{more}. GET /v1/models lists them all.",
        model=model,
        param="model",
        code="model_not_found",
    )
