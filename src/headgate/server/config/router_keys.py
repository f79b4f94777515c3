"""Rows of the key table: how calls are spread over deployments, in `router_settings`."""

from typing import Final

ROUTING: Final = (
    ("routing_strategy", "strategy", "see [routing.md](routing.md)", "How a row of the group is picked."),
    ("routing_strategy_args", "strategy_args", "—", "`lowest_latency_buffer` of latency-based-routing."),
    (
        "enable_pre_call_checks",
        "flag",
        "false",
        "Leave out rows whose window, rates or parameters don't fit.",
    ),
    ("enable_tag_filtering", "flag", "false", "Only rows with the call's `tags`."),
    ("tag_filtering_match_any", "flag", "true", "One of the tags is enough."),
    (
        "allowed_fails",
        "count",
        "see [routing.md](routing.md)",
        "Failures in `cooldown_time` that are let pass.",
    ),
    ("allowed_fails_policy", "fails_policy", "—", "The same by class of error."),
    ("cooldown_time", "pause", "5", "Seconds that a row rests after failures."),
    ("disable_cooldowns", "flag", "false", "Rows never rest."),
    ("retry_policy", "retry_policy", "—", "Retries by class of error."),
    ("model_group_retry_policy", "retry_policies", "—", "The same by group."),
    ("retry_after", "pause", "0", "Seconds that are waited at least before the same row is asked again."),
    ("max_fallbacks", "count", "5", "Further groups that a call may come to."),
    (
        "on_stream_break",
        "stream_break",
        "error",
        "What happens when a stream breaks after its first content.",
    ),
    ("hedge_after", "hedge_after", "—", "When a second row is asked because the first is late."),
    ("sticky", "stickiness", "—", "Calls of one `user` or `session` keep to one row, by the rows' weights."),
    (
        "respect_provider_limits",
        "flag",
        "false",
        "Calls wait where a provider's `x-ratelimit-*` headers say that it would refuse them, also in groups "
        "without `rpm`, `tpm` and `max_parallel_requests`.",
    ),
    ("default_max_parallel_requests", "count", "—", "For rows without `max_parallel_requests`."),
    (
        "provider_budget_config",
        "budgets",
        "—",
        "What rows of a provider may spend together: `openai: {budget_limit: 100, time_period: 1d}`.",
    ),
    ("num_retries", "count", "2", "Tries after the first one."),
    ("timeout", "seconds", "`request_timeout`", "For rows without a `timeout`."),
    ("stream_timeout", "seconds", "`timeout`", "The same, for streams."),
    (
        "model_group_alias",
        "aliases",
        "—",
        "Further names of groups: `alias: group` or `alias: {model, hidden}`.",
    ),
    (
        "redis_url",
        "secret",
        "`HEADGATE_REDIS_URL`, `REDIS_URL`",
        "`redis://` or `rediss://`: rates are shared by replicas there.",
    ),
    ("redis_host", "name", "`REDIS_HOST`", "The same, by host."),
    ("redis_port", "count", "`REDIS_PORT`, 6379", "Port of `redis_host`."),
    ("redis_password", "secret", "`REDIS_PASSWORD`", "Password for it."),
    ("redis_db", "count", "`REDIS_DB`, 0", "Number of the database there."),
    (
        "ignore_invalid_deployments",
        "flag",
        "false",
        "Leave out rows whose provider is not known, with a warning.",
    ),
)
