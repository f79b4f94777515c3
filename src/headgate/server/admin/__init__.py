"""The management API: keys, teams, users, budgets, models, reports. Off the hot path, on Starlette; LiteLLM's routes
and shapes."""
