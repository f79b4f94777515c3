"""The table of text generation formats: where each has its prompt, its parameters, its answers and its counts.

https://huggingface.co/docs/text-generation-inference/reference/api_reference (also LoRAX, thus Predibase)
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_generate.md
https://docs.nlpcloud.com/#generation
https://docs.aleph-alpha.com/api/complete
https://docs.ai21.com/reference/j2-complete-ref
https://docs.cohere.com/v1/reference/generate
https://dev.writer.com/api-reference/completion-api/text-generation
https://cloud.ibm.com/apidocs/watsonx-ai#text-generation
https://github.com/petals-infra/chat.petals.dev#apis

Data alone: what is done with a row is elsewhere.
"""

from collections.abc import Callable
from typing import Any, Final, Literal

from msgspec import Struct


class Format(Struct, frozen=True, kw_only=True):
    """One row.

    `prompt` is the key of the prompt, `inside` that of the object with the parameters, "" where they stand beside
    it. `params` maps the IR's names to keys, `native` are keys that callers may give themselves, and `beside` those
    that stand beside the parameters, `fixed` is always sent, `adapt` has the last word.
    `rows` is the path to the list of answers, "" where there is but one; `text` and `finish` lead from there,
    `counts` (input, output) from the top, each with other places where it may be. `piece` is the text in an event of
    a stream, `place` the number of the answer that it belongs to, `skip` what marks an event whose text is none;
    `plain` streams are bare text. `ends`: a stream says why it ended, so that one that was cut is known: at `ended`
    where that is not `finish`, and until then it says `going`. `failure` is the key of what went wrong, in an answer
    of any status.
    """

    name: str
    prompt: str
    inside: str = ""
    params: dict[str, str]
    native: frozenset[str] = frozenset()
    beside: frozenset[str] = frozenset()
    fixed: dict[str, Any] = {}
    names_model: Literal["body", "address", "parts"] = "address"
    stream_key: str = ""
    adapt: Callable[[dict[str, Any]], None] | None = None
    rows: str = ""
    text: str
    finish: str = ""
    counts: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    piece: str = ""
    place: str = ""
    skip: str = ""
    plain: bool = False
    ends: bool = True
    ended: str = ""
    going: str = ""
    failure: str = ""


def _fit_inference(params: dict[str, Any]) -> None:
    """The server refuses what is at the edge of a range."""
    if "temperature" in params:
        params.setdefault("do_sample", True)
        params["temperature"] = params["temperature"] or 0.01
    if params.get("top_p", 0) >= 1:
        del params["top_p"]
    if params.get("max_new_tokens") == 0:
        params["max_new_tokens"] = 1


def _one_stop(params: dict[str, Any]) -> None:
    """A single sequence, as text."""
    if stop := params.get("end_sequence"):
        params["end_sequence"] = stop[0] if isinstance(stop, list) else stop


def _decoding(params: dict[str, Any]) -> None:
    """A temperature holds where tokens are sampled; 0 is the server's own way."""
    if params.get("temperature"):
        params.setdefault("decoding_method", "sample")
    else:
        params.pop("temperature", None)


def _greedy(params: dict[str, Any]) -> None:
    """0 asks for the likeliest token, which is the server's own way where it is not told to sample."""
    if params.get("temperature"):
        params.setdefault("do_sample", 1)
    else:
        params.pop("temperature", None)
    if "max_length" in params:  # counts the prompt, too; one of the two is taken
        params.pop("max_new_tokens", None)


FORMATS: Final = (
    Format(
        name="tgi_generate",
        prompt="inputs",
        inside="parameters",
        params={
            "max_tokens": "max_new_tokens",
            "temperature": "temperature",
            "top_p": "top_p",
            "top_k": "top_k",
            "stop": "stop",
            "seed": "seed",
            "frequency_penalty": "frequency_penalty",
        },
        native=frozenset(
            """adapter_id adapter_source best_of do_sample grammar repetition_penalty top_n_tokens truncate typical_p
            watermark""".split()
        ),
        fixed={"details": True, "return_full_text": False, "decoder_input_details": False},
        adapt=_fit_inference,
        text="generated_text",
        finish="details.finish_reason",
        counts=(("details.prompt_tokens", "details.input_length"), ("details.generated_tokens",)),
        piece="token.text",
        skip="token.special",
    ),
    Format(
        name="triton_generate",
        prompt="text_input",
        inside="parameters",
        params={
            "max_tokens": "max_tokens",
            "temperature": "temperature",
            "top_p": "top_p",
            "top_k": "top_k",
            "stop": "stop_words",
            "seed": "random_seed",
            "frequency_penalty": "frequency_penalty",
            "presence_penalty": "presence_penalty",
        },
        native=frozenset(
            "bad_words stop_words random_seed repetition_penalty length_penalty beam_width".split()
        ),
        fixed={"max_tokens": 2000},
        stream_key="stream",
        text="text_output",
        piece="text_output",
        ends=False,
    ),
    Format(
        name="nlp_generation",
        prompt="text",
        params={
            "max_tokens": "max_length",
            "temperature": "temperature",
            "top_p": "top_p",
            "top_k": "top_k",
            "stop": "end_sequence",
            "presence_penalty": "repetition_penalty",
        },
        native=frozenset(
            "repetition_penalty num_beams bad_words length_no_input remove_end_sequence".split()
        ),
        fixed={"remove_input": True},
        stream_key="stream",
        adapt=_one_stop,
        text="generated_text",
        counts=(("nb_input_tokens",), ("nb_generated_tokens",)),
        plain=True,
        ends=False,
    ),
    Format(
        name="luminous_complete",
        prompt="prompt",
        params={
            "max_tokens": "maximum_tokens",
            "temperature": "temperature",
            "top_p": "top_p",
            "top_k": "top_k",
            "stop": "stop_sequences",
            "frequency_penalty": "frequency_penalty",
            "presence_penalty": "presence_penalty",
            "n": "n",
        },
        native=frozenset("minimum_tokens best_of echo raw_completion steering_concepts".split()),
        names_model="body",
        stream_key="stream",
        rows="completions",
        text="completion",
        finish="finish_reason",
        counts=(("num_tokens_prompt_total",), ("num_tokens_generated",)),
        piece="completion",
        place="index",
    ),
    Format(
        name="j2_complete",
        prompt="prompt",
        params={
            "max_tokens": "maxTokens",
            "temperature": "temperature",
            "top_p": "topP",
            "stop": "stopSequences",
            "n": "numResults",
        },
        native=frozenset("minTokens countPenalty presencePenalty frequencyPenalty topKReturn epoch".split()),
        rows="completions",
        text="data.text",
        finish="finishReason.reason",
        counts=(("prompt.tokens",), ("completions.0.data.tokens",)),
    ),
    Format(
        name="watsonx_generation",
        prompt="input",
        inside="parameters",
        params={
            "max_tokens": "max_new_tokens",
            "temperature": "temperature",
            "top_p": "top_p",
            "top_k": "top_k",
            "stop": "stop_sequences",
            "seed": "random_seed",
        },
        native=frozenset(
            """decoding_method include_stop_sequence length_penalty min_new_tokens repetition_penalty return_options
            time_limit truncate_input_tokens""".split()
        ),
        beside=frozenset({"project_id", "space_id", "moderations"}),
        names_model="body",
        adapt=_decoding,
        rows="results",
        text="generated_text",
        finish="stop_reason",
        counts=(("results.0.input_token_count",), ("results.0.generated_token_count",)),
        piece="results.0.generated_text",
        ended="results.0.stop_reason",
        going="not_finished",
    ),
    Format(
        name="cohere_generate",
        prompt="prompt",
        params={
            "max_tokens": "max_tokens",
            "temperature": "temperature",
            "top_p": "p",
            "top_k": "k",
            "stop": "stop_sequences",
            "seed": "seed",
            "frequency_penalty": "frequency_penalty",
            "presence_penalty": "presence_penalty",
            "n": "num_generations",
        },
        native=frozenset("end_sequences preset raw_prompting return_likelihoods truncate".split()),
        names_model="body",
        stream_key="stream",
        rows="generations",
        text="text",
        finish="finish_reason",
        counts=(
            ("meta.billed_units.input_tokens", "response.meta.billed_units.input_tokens"),
            ("meta.billed_units.output_tokens", "response.meta.billed_units.output_tokens"),
        ),
        piece="text",
        place="index",
        failure="err",
    ),
    Format(
        name="writer_completions",
        prompt="prompt",
        params={
            "max_tokens": "max_tokens",
            "temperature": "temperature",
            "top_p": "top_p",
            "stop": "stop",
            "seed": "random_seed",
        },
        native=frozenset({"best_of", "random_seed"}),
        names_model="body",
        stream_key="stream",
        rows="choices",
        text="text",
        piece="value",
        ends=False,
    ),
    Format(
        name="petals_generate",
        prompt="inputs",
        params={
            "max_tokens": "max_new_tokens",
            "temperature": "temperature",
            "top_p": "top_p",
            "top_k": "top_k",
        },
        native=frozenset("do_sample max_length repetition_penalty session_id".split()),
        fixed={"max_new_tokens": 256},
        names_model="body",
        adapt=_greedy,
        text="outputs",
        failure="traceback",
    ),
)
