"""openai's client for Node against a running gateway: one script, whose findings are looked at here."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from servers import KEY, running

NODE = Path(__file__).parent.parent / "node"
OFFLINE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "ENOTCACHED")


@pytest.fixture(scope="session")
def node_folder() -> Path:
    """A folder in the user's cache with the pinned client and our script; made once for each version."""
    for command in ("node", "npm"):
        if shutil.which(command) is None:
            pytest.skip(f"{command} is not installed: openai's client for Node can't be tried")
    package = (NODE / "package.json").read_bytes()
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headgate-tests"
    folder = base / f"node-{hashlib.sha256(package).hexdigest()[:12]}"
    if not folder.exists():
        base.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=base))
        shutil.copy(NODE / "package.json", made)
        install(made)
        try:
            made.rename(folder)
        except OSError:  # another run of the tests was faster
            shutil.rmtree(made)
    shutil.copy(NODE / "client.mjs", folder)
    return folder


def install(folder: Path) -> None:
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        shutil.rmtree(folder)
        if any(code in done.stderr for code in OFFLINE):
            pytest.skip("npm can't reach its registry to install openai's client for Node")
        pytest.fail(done.stderr)


@pytest.fixture(scope="module")
def said(node_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    config = {
        "model_list": [{"model_name": "mock/*", "litellm_params": {"model": "mock/*"}}],
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"num_retries": 0},
    }
    with running(config, tmp_path_factory.mktemp("node")) as gateway:
        done = subprocess.run(
            ["node", "client.mjs"],
            cwd=node_folder,
            env={
                "PATH": os.environ["PATH"],
                "OPENAI_BASE_URL": f"http://127.0.0.1:{gateway.port}/v1",
                "OPENAI_API_KEY": KEY,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_whole_answers(said: dict[str, Any]) -> None:
    usage = said["whole"].pop("usage")
    assert said["whole"] == {"text": "Hello there", "finish": "stop"}
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (2, 2, 4)


def test_streams_come_in_pieces_with_their_usage(said: dict[str, Any]) -> None:
    assert said["stream"]["pieces"] == ["Hello", " there"]
    assert said["stream"]["finish"] == "stop"
    assert said["stream"]["usage"]["total_tokens"] == 4


@pytest.mark.parametrize("way", ["tool", "streamedTool"])
def test_tools_are_called(said: dict[str, Any], way: str) -> None:
    call = said[way]["call"]
    assert (call["id"], call["type"]) == ("call_mock_1", "function")
    assert (call["function"]["name"], call["function"]["arguments"]) == ("weather", "{}")
    assert said[way]["finish"] == "tool_calls"


@pytest.mark.parametrize(
    "form",
    [
        "float",
        "base64",
    ],
)
def test_embeddings_are_vectors(said: dict[str, Any], form: str) -> None:
    assert said["embeddings"][form] == [8, 8]


def test_models_are_listed(said: dict[str, Any]) -> None:
    assert "mock/echo" in said["models"]


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("unknown", ("NotFoundError", 404)),
        ("key", ("AuthenticationError", 401)),
        ("limit", ("RateLimitError", 429)),
        ("streamed", ("InternalServerError", 500)),
    ],
)
def test_errors_have_the_clients_own_classes(said: dict[str, Any], what: str, error: tuple[str, int]) -> None:
    assert (said["errors"][what]["name"], said["errors"][what]["status"]) == error
    assert isinstance(said["errors"][what]["code"], str)


def test_a_stream_can_be_left(said: dict[str, Any]) -> None:
    assert said["left"] == 1
