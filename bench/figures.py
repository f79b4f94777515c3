"""Every figure that the benchmark can give: its title, unit and bar, and what LiteLLM takes for the same.

LiteLLM's column is LiteLLM 1.106.2 measured on the machine on which the bars were set.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    title: str
    unit: str
    bar: float | None = None  # the value must not be above it
    litellm: str = ""

    def met(self, value: float) -> bool | None:
        return None if self.bar is None else value <= self.bar


FIGURES = {
    "chat.cpu": Figure("Chat, CPU per request", "µs", 50, "8,500"),
    "chat.nginx": Figure("Chat, nginx as a bare proxy", "µs"),
    "chat.ratio": Figure("Chat, gateway ÷ nginx", "x", 4),
    "chat.p50": Figure("Chat, latency added, one connection, p50", "µs"),
    "chat.p99": Figure("Chat, latency added, one connection, p99", "µs"),
    "chat.rate": Figure("Chat, requests per second on one core (wrk)", "/s"),
    "chat.nginx_rate": Figure("Chat, nginx, requests per second (wrk)", "/s"),
    "keyed.cpu": Figure("Chat with a virtual key: budgets, limits, team, ledger, SQLite", "µs", 60),
    "shared.cpu": Figure("The same with PostgreSQL and Redis", "µs", 80),
    "large.cpu": Figure("Chat with a 100 KB prompt, CPU per request", "µs"),
    "large.nginx": Figure("Chat with a 100 KB prompt, nginx", "µs"),
    "large.ratio": Figure("Chat with a 100 KB prompt, gateway ÷ nginx", "x"),
    "burst.cpu": Figure("Stream of 100 chunks in one write, CPU per chunk", "µs"),
    "burst.nginx": Figure("Stream of 100 chunks in one write, nginx", "µs"),
    "paced.cpu": Figure("Paced streams, CPU per chunk", "µs", 15, "800"),
    "paced.nginx": Figure("Paced streams, nginx", "µs"),
    "paced.ratio": Figure("Paced streams, gateway ÷ nginx", "x"),
    "paced.p50": Figure("Paced streams, delay added per chunk, p50", "ms"),
    "paced.p99": Figure("Paced streams, delay added per chunk, p99", "ms", 5, "370 (40 streams)"),
    "paced.direct_p99": Figure("Paced streams, delay without a gateway, p99", "ms"),
    "claude.cpu": Figure("Chat to Anthropic, translated, CPU per request", "µs", 120),
    "claude_burst.cpu": Figure("Chat to Anthropic, burst, CPU per chunk", "µs"),
    "claude_paced.cpu": Figure("Chat to Anthropic, paced streams, CPU per chunk", "µs"),
    "claude_paced.p99": Figure("Chat to Anthropic, paced, delay added, p99", "ms"),
    "sdk.cpu": Figure("SDK, async call, CPU", "µs", 150, "3,000"),
    "sdk.stream": Figure("SDK, async stream, CPU per chunk", "µs", 10, "410"),
    "sdk.sync": Figure("SDK, sync call, CPU", "µs"),
    "import.time": Figure("`import headgate`", "ms", 80, "2,000"),
    "import.memory": Figure("`import headgate`, RSS of the process", "MB", 30, "173"),
    "import.added": Figure("`import headgate`, RSS added to bare Python", "MB"),
    "import.call_time": Figure("`from headgate import acompletion`", "ms", 80, "2,000"),
    "import.call_memory": Figure("`from headgate import acompletion`, RSS", "MB", 30, "173"),
    "start.ready": Figure("`headgate serve` to ready", "s", 0.8, "4.9"),
    "start.rss": Figure("Memory, idle server, RSS", "MB", 70, "340"),
    "start.pss": Figure("Memory, idle server, PSS", "MB"),
    "start.loaded": Figure("Memory after all scenarios of the run, RSS", "MB"),
    "size.installed": Figure("Installed size, server included", "MB", 75, "742"),
}
