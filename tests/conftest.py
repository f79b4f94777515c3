"""Holds for all tests. Examples are the same in every run, so that a change is judged by what it changed; `make fuzz`
looks for new ones. How long an example takes says more of the machine than of the code."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "new",
    settings.get_profile("same"),
    derandomize=False,
    print_blob=True,
)
settings.load_profile("same")
