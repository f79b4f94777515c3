"""Rerank in every vendor's spelling: recorded where there is traffic, else as the vendors document it."""

import contextlib
import json
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate import errors
from headgate.core.dialects import TABLES, dialect
from headgate.wire import ir
from headgate.wire.ir_operations import Ranked, RerankReply, RerankRequest
from headgate.wire.rerank import DIALECT, DIALECTS
from wire.operations.exchanges import FRAME, JSON, exchanges, target

ARN = "arn:aws:bedrock:us-west-2::foundation-model/cohere.rerank-v3-5:0"
ASKED = {"model": "x", "query": "capital?", "documents": ["Paris", {"text": "Rome"}], "top_n": 1}
TEXTS = ["Paris", "Rome"]
SPOKEN = {
    "cohere": "rerank",
    "aleph-alpha": "rerank",
    "openrouter": "rerank",
    "voyage": "voyage_rerank",
    "together": "rerank",
    "fireworks": "fireworks_rerank",
    "nvidia-nim": "nim_rerank",
    "deepinfra": "scores_rerank",
    "cloudflare-workers-ai": "workers_ai_rerank",
    "watsonx": "watsonx_rerank",
    "google-vertex": "vertex_rerank",
    "jina": "rerank",
}
PLACES = {
    "voyage_rerank": ("data", "index", "relevance_score"),
    "fireworks_rerank": ("data", "index", "relevance_score"),
    "nim_rerank": ("rankings", "index", "logit"),
    "watsonx_rerank": ("results", "index", "score"),
    "vertex_rerank": ("records", "id", "score"),
}
"""Where the results stand, and what their keys are."""
KEYS: dict[str, dict[str, str]] = {
    "rerank": {},
    "voyage_rerank": {"top_k": "top_n"},
    "bedrock_invoke_rerank": {"api_version": ""},
}
"""Keys of a recorded request → what a caller calls them."""
RECORDED = [
    *(
        pytest.param(spoken, *one, id=f"{provider}-{at}")
        for provider, spoken in SPOKEN.items()
        for at, one in enumerate(exchanges("rerank", provider))
    ),
    *(
        pytest.param("bedrock_invoke_rerank", *one, id=f"aws-bedrock-{at}")
        for at, one in enumerate(exchanges("invoke", "aws-bedrock"))
        if "rerank" in one[0]
    ),
]
ALIKE = [one for one in RECORDED if one.values[0] in KEYS]


def sent(name: str, body: dict[str, Any] = ASKED, model: str = "m") -> ir.Written:
    return dialect(name).write_request(DIALECT.read_request(body), target(model))


# --- recorded --------------------------------------------------------------------------------------------


@pytest.mark.skipif(not RECORDED, reason="no recorded traffic here")
@pytest.mark.parametrize("spoken, url, asked, status, answered", RECORDED)
def test_a_recorded_exchange_is_understood(
    spoken: str, url: str, asked: dict[str, Any], status: int, answered: bytes
) -> None:
    upstream, document = dialect(spoken), json.loads(answered)
    if status >= 400:
        assert upstream.read_error(status, {}, answered).message
        return
    reply = upstream.read_reply(answered)
    place, index, score = PLACES.get(spoken, ("results", "index", "relevance_score"))
    rows = sorted(document[place], key=lambda row: -row[score])
    assert [(one.index, one.score) for one in reply.results] == [
        (int(row[index]), row[score]) for row in rows
    ]
    if spoken == "rerank":
        assert [one.document for one in reply.results] == [row.get("document") for row in rows]
    assert upstream.glance(answered).usage == reply.usage
    if reply.usage is None:
        return
    total = document.get("usage", {}).get("total_tokens")
    assert total is None or reply.usage.input == total
    searches = document.get("meta", {}).get("billed_units", {}).get("search_units")
    assert reply.usage.searches == searches
    again = DIALECT.read_reply(DIALECT.write_reply(reply, FRAME))
    assert again.results == reply.results
    assert (again.usage.input, again.usage.searches) == (reply.usage.input, reply.usage.searches)


@pytest.mark.skipif(not ALIKE, reason="no recorded traffic here")
@pytest.mark.parametrize("spoken, url, asked, status, answered", ALIKE)
def test_a_recorded_request_is_written_again(
    spoken: str, url: str, asked: dict[str, Any], status: int, answered: bytes
) -> None:
    model = asked.get("model") or unquote(url).partition("/model/")[2].partition("/")[0] or "m"
    said = {key: value for key, value in asked.items() if value is not None}
    common = {name: value for key, value in said.items() if (name := KEYS[spoken].get(key, key))}
    written = sent(spoken, common, model).body
    assert written == ({"model": model, **said} if spoken == "rerank" else said)


# --- documented: requests --------------------------------------------------------------------------------


def test_documented_requests_of_each_vendor() -> None:
    flat = {"model": "m", "query": "capital?", "documents": TEXTS}
    assert sent("cohere_rerank").body == {**flat, "top_n": 1}
    assert sent("voyage_rerank").body == {**flat, "top_k": 1}
    assert sent("fireworks_rerank").body == sent("infinity_rerank").body == {**flat, "top_n": 1}
    assert sent("tei_rerank").body == {"query": "capital?", "texts": TEXTS}
    assert sent("scores_rerank").body == {"queries": ["capital?"] * 2, "documents": TEXTS}
    assert sent("nim_rerank").body == {
        "model": "m",
        "query": {"text": "capital?"},
        "passages": [{"text": "Paris"}, {"text": "Rome"}],
    }
    assert sent("workers_ai_rerank").body == {
        "query": "capital?",
        "contexts": [{"text": "Paris"}, {"text": "Rome"}],
        "top_k": 1,
    }
    plain = {"query": "capital?", "documents": TEXTS, "top_n": 1}
    assert sent("bedrock_invoke_rerank", ASKED, "amazon.rerank-v1:0").body == plain
    assert sent("bedrock_invoke_rerank", ASKED, ARN).body == {**plain, "api_version": 2}


def test_documented_request_of_watsonx_nests_its_options() -> None:
    asked = {**ASKED, "return_documents": True, "max_tokens_per_doc": 9, "project_id": "p"}
    assert sent("watsonx_rerank", asked).body == {
        "model_id": "m",
        "query": "capital?",
        "inputs": [{"text": "Paris"}, {"text": "Rome"}],
        "project_id": "p",
        "parameters": {
            "truncate_input_tokens": 9,
            "return_options": {"top_n": 1, "inputs": True},
        },
    }
    assert "parameters" not in sent("watsonx_rerank", {"query": "q", "documents": ["a"]}).body


@pytest.mark.parametrize("given_", [[1], {"return_options": "all"}])
def test_parameters_of_watsonx_that_are_no_objects_are_named(given_: Any) -> None:
    with pytest.raises(errors.BadRequestError, match="expected an object") as caught:
        sent("watsonx_rerank", {**ASKED, "parameters": given_})
    assert str(caught.value.param).startswith("parameters")


def test_documented_request_of_vertex_numbers_its_records() -> None:
    documents = ["Paris", {"text": "Rome"}, {"title": "t", "content": "c"}]
    written = sent("vertex_rerank", {**ASKED, "documents": documents, "return_documents": False})
    assert written.body == {
        "model": "m",
        "query": "capital?",
        "records": [
            {"id": "0", "content": "Paris"},
            {"id": "1", "content": "Rome"},
            {"id": "2", "title": "t", "content": "c"},
        ],
        "topN": 1,
        "ignoreRecordDetailsInResponse": True,
    }


def test_documented_request_of_bedrock_types_everything() -> None:
    documents = ["Paris", {"text": "Rome"}, {"city": "Oslo", "size": 1}]
    body = sent("bedrock_rerank", {**ASKED, "documents": documents, "top_n": 9}, ARN).body
    assert body == {
        "queries": [{"type": "TEXT", "textQuery": {"text": "capital?"}}],
        "sources": [
            {"type": "INLINE", "inlineDocumentSource": source}
            for source in (
                {"type": "TEXT", "textDocument": {"text": "Paris"}},
                {"type": "TEXT", "textDocument": {"text": "Rome"}},
                {"type": "JSON", "jsonDocument": {"city": "Oslo", "size": 1}},
            )
        ],
        "rerankingConfiguration": {
            "type": "BEDROCK_RERANKING_MODEL",
            "bedrockRerankingConfiguration": {
                "modelConfiguration": {"modelArn": ARN},
                "numberOfResults": 3,
            },
        },
    }


def test_bedrock_without_an_arn_says_which_one_it_wants() -> None:
    with pytest.raises(errors.BadRequestError, match="foundation-model/cohere") as caught:
        sent("bedrock_rerank", ASKED, "cohere.rerank-v3-5:0")
    assert caught.value.param == "model"


@pytest.mark.parametrize("name", sorted({*DIALECTS, "rerank"}))
def test_keys_without_a_name_reach_every_vendor_and_ours_don_t(name: str) -> None:
    written = sent(name, {**ASKED, "truncation": True, "user": "u", "metadata": {}}, ARN)
    assert written.body["truncation"] is True
    assert written.dropped == []
    assert {"user", "metadata", "return_documents"}.isdisjoint(written.body)


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_what_can_t_be_said_is_reported(name: str) -> None:
    written = sent(name, {**ASKED, "max_chunks_per_doc": 3, "max_tokens_per_doc": 4}, ARN)
    says = {
        "max_chunks_per_doc": {"oci_rerank"},
        "max_tokens_per_doc": {"cohere_rerank", "watsonx_rerank"},
    }
    assert written.dropped == [option for option, names in says.items() if name not in names]


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_rank_fields_choose_what_is_sent(name: str) -> None:
    asked = {**ASKED, "documents": [{"title": "T", "text": "long", "n": 1}], "rank_fields": ["title", "n"]}
    said = json.dumps(sent(name, asked, ARN).body)
    assert "long" not in said
    assert "title" in said and "T" in said and "rank_fields" not in said


@pytest.mark.parametrize(
    "document, text",
    [
        ({"text": "Rome", "id": 7}, "Rome"),
        ({"title": "Rome", "size": [1]}, "title: Rome\nsize: [1]\n"),
        ({"text": {"a": 1}}, 'text: {"a":1}\n'),
    ],
)
def test_the_text_of_an_object_counts_or_else_all_of_it(document: dict[str, Any], text: str) -> None:
    assert sent("cohere_rerank", {**ASKED, "documents": [document]}).body["documents"] == [text]


def test_an_object_without_a_field_to_rank_by_is_refused() -> None:
    for document, fields in (({"a": 1}, ["b"]), ({}, None)):
        with pytest.raises(errors.BadRequestError) as caught:
            sent("cohere_rerank", {**ASKED, "documents": [document], "rank_fields": fields})
        assert caught.value.param == "documents[0]"


@pytest.mark.parametrize(
    "name", sorted(set(DIALECTS) - {"nim_rerank", "workers_ai_rerank", "watsonx_rerank"})
)
def test_a_picture_for_a_model_of_texts_is_refused_with_its_place(name: str) -> None:
    with pytest.raises(errors.BadRequestError, match="text only") as caught:
        sent(name, {**ASKED, "documents": ["a", {"image": "https://x/y.png"}]}, ARN)
    assert caught.value.param == "documents[1]"


@pytest.mark.parametrize(
    "body, param",
    [
        ({}, "query"),
        ({"query": ""}, "query"),
        ({"query": 3}, "query"),
        ({"query": "q"}, "documents"),
        ({"query": "q", "documents": []}, "documents"),
        ({"query": "q", "documents": "a"}, "documents"),
        ({"query": "q", "documents": ["a", 1]}, "documents[1]"),
        ({"query": "q", "documents": ["a"], "top_n": 0}, "top_n"),
        ({"query": "q", "documents": ["a"], "top_n": "1"}, "top_n"),
        ({"query": "q", "documents": ["a"], "top_n": True}, "top_n"),
        ({"query": "q", "documents": ["a"], "return_documents": 1}, "return_documents"),
        ({"query": "q", "documents": ["a"], "rank_fields": [1]}, "rank_fields"),
        ({"query": "q", "documents": ["a"], "max_chunks_per_doc": 0}, "max_chunks_per_doc"),
        ({"query": "q", "documents": ["a"], "model": 1}, "model"),
    ],
)
def test_bad_input_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(errors.BadRequestError) as caught:
        DIALECT.read_request(body)
    assert caught.value.param == param


# --- documented: answers ---------------------------------------------------------------------------------

USAGE = {"usage": {"prompt_tokens": 5, "total_tokens": 5}}
ANSWERS: dict[str, Any] = {
    "rerank": {
        "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}],
        **USAGE,
    },
    "cohere_rerank": {
        "id": "i",
        "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}],
        "meta": {"billed_units": {"search_units": 1}, "api_version": {"version": "2"}},
    },
    "voyage_rerank": {
        "object": "list",
        "data": [{"relevance_score": 0.9, "index": 1}, {"relevance_score": 0.1, "index": 0}],
        "model": "rerank-2",
        "usage": {"total_tokens": 5},
    },
    "fireworks_rerank": {
        "object": "list",
        "model": "f",
        "data": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}],
        "usage": {"prompt_tokens": 5, "total_tokens": 5, "completion_tokens": 0},
    },
    "oci_rerank": {
        "id": "i",
        "documentRanks": [{"index": 1, "relevanceScore": 0.9}, {"index": 0, "relevanceScore": 0.1}],
        "modelId": "cohere.rerank.v3-5",
    },
    "infinity_rerank": {
        "object": "rerank",
        "results": [
            {"relevance_score": 0.9, "index": 1, "document": "Rome"},
            {"relevance_score": 0.1, "index": 0, "document": "Paris"},
        ],
        **USAGE,
    },
    "tei_rerank": [{"index": 0, "score": 0.1}, {"index": 1, "score": 0.9, "text": "Rome"}],
    "nim_rerank": {"rankings": [{"index": 1, "logit": 0.9}, {"index": 0, "logit": 0.1}], **USAGE},
    "scores_rerank": {"scores": [0.1, 0.9], "input_tokens": 5, "request_id": None},
    "watsonx_rerank": {
        "model_id": "w",
        "results": [{"index": 1, "score": 0.9, "input": {"text": "Rome"}}, {"index": 0, "score": 0.1}],
        "input_token_count": 5,
    },
    "vertex_rerank": {
        "records": [{"id": "1", "score": 0.9, "content": "Rome"}, {"id": "0", "score": 0.1}],
    },
    "bedrock_rerank": {"results": [{"index": 1, "relevanceScore": 0.9}, {"index": 0, "relevanceScore": 0.1}]},
    "bedrock_invoke_rerank": {
        "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]
    },
    "workers_ai_rerank": {
        "result": {"response": [{"id": 1, "score": 0.9}, {"id": 0, "score": 0.1}]},
        "success": True,
        "errors": [],
        "messages": [],
    },
}
BY_SEARCH = {"cohere_rerank", "vertex_rerank", "bedrock_rerank", "bedrock_invoke_rerank"}
UNCOUNTED = {"oci_rerank", "tei_rerank", "workers_ai_rerank"}


def test_every_shape_has_an_answer_above_and_a_place_in_the_table_of_dialects() -> None:
    assert sorted(ANSWERS) == sorted({*DIALECTS, "rerank"})
    assert set(TABLES["headgate.wire.rerank"]) == set(DIALECTS)


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_documented_answers_are_cut_ordered_and_given_their_documents(name: str) -> None:
    echo = sent(name, {**ASKED, "return_documents": True}, ARN).echo
    raw = json.dumps(ANSWERS[name]).encode()
    reply = dialect(name).read_reply(raw, echo)
    assert [(one.index, one.score, one.document) for one in reply.results] == [(1, 0.9, {"text": "Rome"})]
    if name in BY_SEARCH:
        assert reply.usage is not None and reply.usage.searches == 1
    elif name not in UNCOUNTED:
        assert reply.usage is not None and reply.usage.input == 5
        assert dialect(name).glance(raw).usage == reply.usage
    document = json.loads(DIALECT.write_reply(reply, FRAME))
    assert document["results"][0]["document"] == {"text": "Rome"}
    assert document["id"] in ("i", "rerank-1")


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_documents_nobody_wants_are_taken_out_and_without_top_n_all_are_there(name: str) -> None:
    asked = {key: value for key, value in ASKED.items() if key != "top_n"}
    echo = sent(name, {**asked, "return_documents": False}, ARN).echo
    reply = dialect(name).read_reply(json.dumps(ANSWERS[name]).encode(), echo)
    assert [(one.index, one.document) for one in reply.results] == [(1, None), (0, None)]


@pytest.mark.parametrize(
    "given_, document",
    [
        ({"type": "TEXT", "textDocument": {"text": "Rome"}}, {"text": "Rome"}),
        ({"type": "JSON", "jsonDocument": {"city": "Rome"}}, {"city": "Rome"}),
    ],
)
def test_documents_that_bedrock_returns_unasked_are_plain(given_: Any, document: Any) -> None:
    row = {"index": 0, "relevanceScore": 1, "document": given_}
    (one,) = dialect("bedrock_rerank").read_reply(json.dumps({"results": [row]}).encode()).results
    assert one.document == document


@pytest.mark.parametrize("sizes, searches", [(1, 1), (100, 1), (101, 2)])
def test_a_hundred_documents_are_one_search_where_the_answer_doesn_t_tell(sizes: int, searches: int) -> None:
    echo = sent("bedrock_rerank", {**ASKED, "documents": ["a"] * sizes}, ARN).echo
    reply = dialect("bedrock_rerank").read_reply(b'{"results": []}', echo)
    assert reply.usage == ir.Usage(searches=searches)


@pytest.mark.parametrize("name", sorted(ANSWERS))
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"3",
        b"{}",
        b'{"results": {}}',
        b'{"results": [{"index": 7, "relevance_score": 1}]}',
        b'{"results": [{"index": -1, "relevance_score": 1}]}',
        b'{"results": [{"index": true, "relevance_score": 1}]}',
        b'{"results": [{"index": 0, "relevance_score": "1"}]}',
        b'{"results": [[]]}',
    ],
)
def test_an_unreadable_answer_says_so(name: str, body: bytes) -> None:
    echo = sent(name, ASKED, ARN).echo
    with pytest.raises(errors.APIResponseValidationError):
        dialect(name).read_reply(body, echo)
    dialect(name).glance(body)


@pytest.mark.parametrize("name", sorted(ANSWERS))
@pytest.mark.parametrize(
    "body",
    [
        b'{"code": "Throttling.RateQuota", "message": "rate limit exceeded", "request_id": "r"}',
        b'{"error": {"message": "rate limit exceeded", "code": 429}}',
        b'{"detail": "rate limit exceeded"}',
    ],
)
def test_an_error_under_200_is_raised(name: str, body: bytes) -> None:
    with pytest.raises(errors.HeadgateError, match="rate limit exceeded") as caught:
        dialect(name).read_reply(body)
    assert not isinstance(caught.value, errors.APIResponseValidationError)
    assert dialect(name).glance(body).error is not None


# --- properties ------------------------------------------------------------------------------------------

objects = st.dictionaries(st.sampled_from(["text", "title", "n"]), st.text(max_size=4), min_size=1)
requests = st.builds(
    RerankRequest,
    model=st.just("m"),
    query=st.text(min_size=1, max_size=5),
    documents=st.lists(st.text(max_size=5) | objects, min_size=1, max_size=5),
    top_n=st.none() | st.integers(1, 9),
    return_documents=st.none() | st.booleans(),
    rank_fields=st.none() | st.lists(st.text(max_size=4), max_size=3),
    max_chunks_per_doc=st.none() | st.integers(1, 9),
    max_tokens_per_doc=st.none() | st.integers(1, 9),
    extra=st.none() | st.just({"rerank": {"priority": 1}}),
)
scores = st.floats(-1e9, 1e9, allow_nan=False)
replies = st.builds(
    RerankReply,
    results=st.lists(st.builds(Ranked, index=st.integers(0, 99), score=scores, document=st.none() | objects)),
    id=st.just("i"),
    model=st.just("m"),
    usage=st.none()
    | st.builds(ir.Usage, input=st.integers(1, 99), total=st.none(), searches=st.none() | st.integers(0, 9)),
)


@given(requests)
def test_a_written_request_reads_as_it_was(request: RerankRequest) -> None:
    assert DIALECT.read_request(DIALECT.write_request(request, target()).body) == request


@given(replies)
def test_a_written_answer_reads_as_it_was(reply: RerankReply) -> None:
    reply.results.sort(key=lambda one: -one.score)
    again = DIALECT.read_reply(DIALECT.write_reply(reply, FRAME))
    if again.usage is not None:
        again.usage.total = None
    assert again == reply


@given(JSON, st.sampled_from(sorted(ANSWERS)))
def test_no_json_gives_a_traceback(value: Any, name: str) -> None:
    for key in ("query", "documents", "top_n", "rank_fields"):
        with contextlib.suppress(errors.BadRequestError):
            DIALECT.read_request({"query": "q", "documents": ["a"], key: value})
    for key in ("results", "data", "rankings", "scores", "records", "result", "usage", "meta"):
        for document in (value, {key: value}, {**ANSWERS["rerank"], key: value}):
            raw = json.dumps(document).encode()
            dialect(name).glance(raw)
            with contextlib.suppress(errors.HeadgateError):
                dialect(name).read_reply(raw)


def test_there_is_no_stream() -> None:
    for call in (DIALECT.sniffer, DIALECT.stream_reader, lambda: DIALECT.stream_writer(FRAME)):
        with pytest.raises(errors.BadRequestError, match="no stream"):
            call()


def test_errors_are_written_as_openai_has_them() -> None:
    said = json.loads(DIALECT.write_error(errors.RateLimitError("slow down"), "call-1"))["error"]
    assert (said["message"], said["code"], said["litellm_call_id"]) == ("slow down", "429", "call-1")
