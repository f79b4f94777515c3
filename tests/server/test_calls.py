"""The deterministic gate of the hot path: Python calls inside the package for one pass-through request."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import uvicorn
import yaml
from bench.calls import count_request

import headgate
from headgate.server.app import App, build
from headgate.server.config.load import load
from headgate.server.lane import lane_for
from servers import KEY, Upstream

ANSWER = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,'
    b'"completion_tokens":1,"total_tokens":6}}'
)
BODY = b'{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}]}'


def _right(status: int, body: bytes) -> Any:
    return None if status == 200 and body == ANSWER else f"status {status}: {body!r}"


def test_a_pass_through_request_makes_at_most_150_calls(tmp_path: Path) -> None:
    upstream = Upstream()
    upstream.reply(200, {"content-type": "application/json"}, ANSWER)
    file = tmp_path / "config.yaml"
    params = {"model": "openai/gpt-4o", "api_base": upstream.base, "api_key": "sk-upstream"}
    config = {
        "model_list": [{"model_name": "gpt-4o", "litellm_params": params}],
        "general_settings": {"master_key": KEY},
    }
    file.write_text(yaml.safe_dump(config))
    gateway = build(load(str(file), {}), {})
    app = App(gateway)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n"
    )

    async def measure() -> int:
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        settings = uvicorn.Config(
            app, http=lane_for(app), ws="none", loop="none", lifespan="off", log_config=None
        )
        server = uvicorn.Server(settings)
        serving = asyncio.ensure_future(server.serve(sockets=[sock]))
        while not server.started:
            await asyncio.sleep(0)
        port = sock.getsockname()[1]
        package = Path(headgate.__file__).parent
        counted = await count_request(package, port, head.encode() + BODY, _check)
        server.should_exit = True
        await serving
        await gateway.snapshot.engine.close()
        sock.close()
        return sum(counted.values())

    try:
        assert asyncio.run(measure()) <= 150
    finally:
        upstream.stop()


def _check(*answer: Any) -> Any:
    return None
