"""Groups: public model names and the deployments behind them, and which one a call goes to."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from itertools import accumulate

from headgate.core.deployment import Deployment
from headgate.errors import NotFoundError


class Group:
    """One public name. `pick` shuffles by weight, else rpm, else tpm, within the lowest `order`."""

    def __init__(self, name: str, deployments: Sequence[Deployment]) -> None:
        self.name = name
        self.deployments = tuple(deployments)
        self._only = deployments[0] if len(deployments) == 1 else None
        self._steps = _steps(self.deployments)

    def pick(self, tried: Sequence[Deployment], dice: Callable[[], float]) -> Deployment:
        """One that was not tried yet, any one when all were."""
        if self._only is not None:
            return self._only
        if not tried:
            return _drawn(self._steps, dice)
        fresh = [deployment for deployment in self.deployments if deployment not in tried]
        return _drawn(_steps(fresh or self.deployments), dice)


def _steps(deployments: Sequence[Deployment]) -> list[tuple[float, Deployment]]:
    """Those of the lowest order with their running sums of weight."""
    lowest = min((deployment.order for deployment in deployments), default=0.0)
    first = [deployment for deployment in deployments if deployment.order == lowest]
    weights = [1.0] * len(first)
    for name in ("weight", "rpm", "tpm"):
        given = [getattr(deployment, name) or 0.0 for deployment in first]
        if any(given):
            weights = given
            break
    return list(zip(accumulate(weights), first, strict=True))


def _drawn(steps: list[tuple[float, Deployment]], dice: Callable[[], float]) -> Deployment:
    mark = dice() * steps[-1][0]
    for reached, deployment in steps:
        if mark < reached:
            return deployment
    return steps[-1][1]


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
