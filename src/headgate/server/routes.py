"""Every page of the gateway and who may ask for it, in one table. Model calls have theirs in `endpoints/llm.py`."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from headgate.errors import PermissionDeniedError
from headgate.server.admin import (
    access_groups,
    activity,
    audit,
    credentials,
    keys,
    models,
    organizations,
    resets,
    simple,
    spend,
    spend_pages,
    team_pages,
    teams,
    users,
)
from headgate.server.callers import ANYBODY, Caller
from headgate.server.endpoints import (
    client_secrets,
    count_tokens,
    estimates,
    health_pages,
    info,
    jobs,
    message_batches,
    model_pages,
    paths,
    responses,
)
from headgate.server.gateway import Gateway
from headgate.server.lines import Lines

Serve: TypeAlias = Callable[[Request, Gateway, Caller], Awaitable[Response]]

OPEN: Final = frozenset(("anybody",))
"""Without a key."""
ADMIN: Final = frozenset(("proxy_admin",))
VIEWER: Final = ADMIN | {"proxy_admin_viewer"}
ORG: Final = ADMIN | {"org_admin"}
WRITER: Final = ORG | {"internal_user"}
"""Who may change what is theirs: the page itself asks whose it is."""
READER: Final = WRITER | VIEWER | {"internal_user_viewer"}
"""Who may see what is theirs."""
KEY: Final = READER | {"team", "customer"}
"""Any key."""
ROLES: Final = tuple(sorted(KEY))


class Page(Struct, frozen=True):
    method: str
    path: str
    serve: Serve
    roles: frozenset[str]
    manages: bool = False
    """Keys for model calls alone may not ask for it."""


def _rows(pages: simple.Pages, name: str, *, blocks: bool = False) -> tuple[Page, ...]:
    """The routes that LiteLLM has for plain rows: /budget/new and so on."""
    found = (
        Page("POST", f"/{name}/new", pages.new, ADMIN, True),
        Page("POST", f"/{name}/update", pages.update, ADMIN, True),
        Page("POST", f"/{name}/delete", pages.delete, ADMIN, True),
        Page("GET", f"/{name}/info", pages.info, VIEWER, True),
        Page("POST", f"/{name}/info", pages.info, VIEWER, True),
        Page("GET", f"/{name}/list", pages.listed, VIEWER, True),
    )
    blocking = (
        Page("POST", f"/{name}/block", pages.block, ADMIN, True),
        Page("POST", f"/{name}/unblock", pages.unblock, ADMIN, True),
    )
    return found + blocking if blocks else found


OWN: Final = (
    Page("GET", "/", info.root, OPEN),
    Page("GET", "/health/liveliness", info.alive, OPEN),
    Page("GET", "/health/liveness", info.alive, OPEN),
    Page("GET", "/health/readiness", info.ready, OPEN),
    Page("GET", "/v1/models", info.models, KEY),
    Page("GET", "/models", info.models, KEY),
    Page("GET", "/v1/models/{name:path}", info.model, KEY),
    Page("GET", "/models/{name:path}", info.model, KEY),
    Page("GET", "/v1/model/info", info.model_info, KEY),
    Page("GET", "/model/info", info.model_info, KEY),
    Page("GET", "/v2/model/info", model_pages.rows, KEY),
    Page("GET", "/model_group/info", model_pages.groups, KEY),
    Page("GET", "/utils/supported_openai_params", model_pages.supported_params, KEY),
    Page("GET", "/utils/model_info", model_pages.facts, KEY),
    *(
        Page("POST", path, count_tokens.counted_in(spoken), KEY)
        for path, spoken in (
            ("/v1/messages/count_tokens", count_tokens.ANTHROPIC),
            ("/messages/count_tokens", count_tokens.ANTHROPIC),
            ("/v1beta/models/{name:path}:countTokens", count_tokens.GEMINI),
            ("/v1/models/{name:path}:countTokens", count_tokens.GEMINI),
            ("/models/{name:path}:countTokens", count_tokens.GEMINI),
            ("/v1/responses/input_tokens", count_tokens.RESPONSES),
            ("/responses/input_tokens", count_tokens.RESPONSES),
        )
    ),
    Page("POST", "/utils/token_counter", count_tokens.token_counter, KEY),
    *(
        page
        for root in ("/v1/responses", "/responses", "/openai/v1/responses")
        for page in (
            Page("GET", root + "/{response_id}", responses.get, KEY),
            Page("DELETE", root + "/{response_id}", responses.delete, KEY),
            Page("POST", root + "/{response_id}/cancel", responses.cancel, KEY),
            Page("GET", root + "/{response_id}/input_items", responses.input_items, KEY),
        )
    ),
    *(
        Page(
            "POST",
            path,
            client_secrets.create_beta if path.endswith("/sessions") else client_secrets.create,
            KEY,
        )
        for path in sorted(paths.SECRETS)
    ),
    Page("GET", "/health", info.health, VIEWER),
    Page("GET", "/health/services", info.services, VIEWER),
    Page("GET", "/health/latest", health_pages.latest, VIEWER),
    Page("GET", "/health/history", health_pages.history, VIEWER),
    Page("GET", "/health/readiness/details", health_pages.readiness, VIEWER),
    Page("POST", "/health/test_connection", health_pages.test_connection, ADMIN, True),
    Page("POST", "/cost/estimate", estimates.cost, KEY),
    Page("POST", "/utils/transform_request", estimates.transformed, VIEWER),
    Page("GET", "/fallback/{model:path}", estimates.fallbacks, VIEWER),
    Page("GET", "/metrics", info.metrics, VIEWER),
    Page("GET", "/router/state", info.router_state, VIEWER),
)
JOBS: Final = tuple(
    page
    for root in ("", "/v1", "/{provider}/v1")
    for page in (
        Page("POST", root + "/files", jobs.upload, KEY),
        Page("GET", root + "/files", jobs.listed("file"), KEY),
        Page("GET", root + "/files/{id}", jobs.file, KEY),
        Page("DELETE", root + "/files/{id}", jobs.delete_file, KEY),
        Page("GET", root + "/files/{id}/content", jobs.content, KEY),
        Page("POST", root + "/batches", jobs.create_batch, KEY),
        Page("GET", root + "/batches", jobs.listed("batch"), KEY),
        Page("GET", root + "/batches/{id}", jobs.batch, KEY),
        Page("POST", root + "/batches/{id}/cancel", jobs.batch, KEY),
        Page("POST", root + "/messages/batches", message_batches.create, KEY),
        Page("GET", root + "/messages/batches", message_batches.listed, KEY),
        Page("GET", root + "/messages/batches/{id}", message_batches.one, KEY),
        Page("DELETE", root + "/messages/batches/{id}", message_batches.delete, KEY),
        Page("POST", root + "/messages/batches/{id}/cancel", message_batches.one, KEY),
        Page("GET", root + "/messages/batches/{id}/results", message_batches.results, KEY),
        Page("POST", root + "/fine_tuning/jobs", jobs.create_tuning, KEY),
        Page("GET", root + "/fine_tuning/jobs", jobs.listed("fine_tuning"), KEY),
        Page("GET", root + "/fine_tuning/jobs/{id}", jobs.tuning, KEY),
        *(
            Page(method, root + "/fine_tuning/jobs/{id}/" + name, jobs.tuning_part(name), KEY)
            for method, name in jobs.TUNING_PARTS
        ),
    )
)
KEYS: Final = (
    Page("POST", "/key/generate", keys.generate, WRITER, True),
    Page("POST", "/key/service-account/generate", keys.service_account, WRITER, True),
    Page("POST", "/key/update", keys.update, WRITER, True),
    Page("POST", "/key/bulk_update", keys.bulk_update, ADMIN, True),
    Page("POST", "/key/delete", keys.delete, WRITER, True),
    Page("POST", "/key/block", keys.block, WRITER, True),
    Page("POST", "/key/unblock", keys.unblock, WRITER, True),
    Page("POST", "/key/regenerate", keys.regenerate, WRITER, True),
    Page("POST", "/key/{key}/regenerate", keys.regenerate, WRITER, True),
    Page("POST", "/key/{key}/reset_spend", resets.key, WRITER, True),
    Page("GET", "/key/info", keys.info, KEY),
    Page("POST", "/v2/key/info", keys.info_v2, KEY),
    Page("POST", "/key/health", keys.health, KEY),
    Page("GET", "/key/list", keys.listed, READER, True),
    Page("GET", "/key/aliases", keys.aliases, READER, True),
)
PEOPLE: Final = (
    Page("POST", "/user/new", users.new, ORG, True),
    Page("POST", "/user/update", users.update, WRITER, True),
    Page("POST", "/user/delete", users.delete, ORG, True),
    Page("POST", "/user/bulk_update", users.bulk_update, ADMIN, True),
    Page("GET", "/user/info", users.info, READER, True),
    Page("GET", "/v2/user/info", users.info_v2, READER, True),
    Page("GET", "/user/available_roles", users.roles, READER, True),
    Page("GET", "/user/list", users.listed, ORG | VIEWER, True),
    Page("POST", "/team/new", teams.new, ORG, True),
    Page("POST", "/team/update", teams.update, WRITER, True),
    Page("PATCH", "/team/{team_id}", teams.update, WRITER, True),
    Page("POST", "/team/delete", teams.delete, ORG, True),
    Page("POST", "/team/block", teams.block, ADMIN, True),
    Page("POST", "/team/unblock", teams.unblock, ADMIN, True),
    Page("POST", "/team/member_add", teams.member_add, WRITER, True),
    Page("POST", "/team/bulk_member_add", team_pages.add_many, WRITER, True),
    Page("GET", "/team/{team_id}/members/me", team_pages.mine, KEY),
    Page("POST", "/team/{team_id}/member/{user_id}/reset_spend", resets.member, WRITER, True),
    Page("GET", "/team/permissions_list", team_pages.permissions, READER, True),
    Page("POST", "/team/permissions_update", team_pages.permit, WRITER, True),
    Page("POST", "/team/member_update", teams.member_update, WRITER, True),
    Page("POST", "/team/member_delete", teams.member_delete, WRITER, True),
    Page("POST", "/team/model/add", teams.model_add, ADMIN, True),
    Page("POST", "/team/model/delete", teams.model_delete, ADMIN, True),
    Page("GET", "/team/info", teams.info, KEY),
    Page("GET", "/team/list", teams.listed, READER, True),
    Page("GET", "/v2/team/list", teams.listed_v2, READER, True),
    Page("POST", "/organization/new", organizations.new, ADMIN, True),
    Page("PATCH", "/organization/update", organizations.update, ADMIN, True),
    Page("DELETE", "/organization/delete", organizations.delete, ADMIN, True),
    Page("GET", "/organization/info", organizations.info, READER, True),
    Page("GET", "/organization/list", organizations.listed, READER, True),
    Page("POST", "/organization/member_add", organizations.member_add, ORG, True),
    Page("PATCH", "/organization/member_update", organizations.member_update, ORG, True),
    Page("DELETE", "/organization/member_delete", organizations.member_delete, ORG, True),
)
MODELS: Final = (
    Page("POST", "/model/new", models.new, ADMIN, True),
    Page("POST", "/model/update", models.update, ADMIN, True),
    Page("PATCH", "/model/{model_id}/update", models.update, ADMIN, True),
    Page("POST", "/model/delete", models.delete, ADMIN, True),
    Page("POST", "/model/block", models.block, ADMIN, True),
    Page("POST", "/model/unblock", models.unblock, ADMIN, True),
)
CREDENTIALS: Final = (
    Page("POST", "/credentials", credentials.new, ADMIN, True),
    Page("GET", "/credentials", credentials.listed, VIEWER, True),
    Page("GET", "/credentials/by_name/{credential_name:path}", credentials.one, VIEWER, True),
    Page("GET", "/credentials/by_model/{model_id:path}", credentials.of_model, VIEWER, True),
    Page("PATCH", "/credentials/{credential_name:path}", credentials.update, ADMIN, True),
    Page("DELETE", "/credentials/{credential_name:path}", credentials.delete, ADMIN, True),
)
SPEND: Final = (
    Page("GET", "/spend/logs", spend.logs, KEY),
    Page("GET", "/spend/logs/v2", spend.logs_paged, KEY),
    Page("GET", "/spend/keys", spend.spenders("key"), VIEWER, True),
    Page("GET", "/spend/users", spend.spenders("user"), VIEWER, True),
    Page("GET", "/spend/teams", spend.spenders("team"), VIEWER, True),
    Page("GET", "/spend/tags", spend.top("tag", "individual_request_tag"), VIEWER, True),
    Page("GET", "/global/spend", spend.total, VIEWER, True),
    Page("POST", "/global/spend/reset", resets.everyone, ADMIN, True),
    Page("GET", "/global/spend/report", spend.report, VIEWER, True),
    Page("GET", "/global/spend/keys", spend.top("key", "api_key"), VIEWER, True),
    Page("GET", "/global/spend/teams", spend.top("team", "team_id"), VIEWER, True),
    Page("GET", "/global/spend/models", spend.top("model", "model"), VIEWER, True),
    Page("GET", "/global/spend/provider", spend.top("provider", "provider"), VIEWER, True),
    Page("GET", "/global/spend/tags", spend.top("tag", "tag"), VIEWER, True),
    Page("GET", "/global/spend/logs", spend_pages.by_day, VIEWER, True),
    Page("POST", "/global/spend/end_users", spend_pages.customers, VIEWER, True),
    Page("GET", "/global/spend/all_tag_names", spend_pages.tag_names, VIEWER, True),
    Page("GET", "/provider/budgets", spend_pages.budgets, VIEWER, True),
    Page("GET", "/global/activity", spend_pages.activity, VIEWER, True),
    Page("GET", "/global/activity/model", spend_pages.activity_of_models, VIEWER, True),
    Page("GET", "/key/spend/report", spend_pages.report_of("key", "api_key"), READER, True),
    Page("GET", "/user/spend/report", spend_pages.report_of("user", "internal_user_id"), READER, True),
    Page("GET", "/team/spend/report", spend_pages.report_of("team", "team_id"), READER, True),
    Page(
        "GET",
        "/organization/spend/report",
        spend_pages.report_of("organization", "organization_id"),
        VIEWER,
        True,
    ),
    *(
        page
        for name, by, parameter, roles in (
            ("user", "user", "user_id", READER),
            ("team", "team", "team_ids", READER),
            ("organization", "organization", "organization_ids", VIEWER),
            ("customer", "customer", "end_user_ids", VIEWER),
            ("end_user", "customer", "end_user_ids", VIEWER),
            ("tag", "tag", "tags", VIEWER),
        )
        for page in (
            Page("GET", f"/{name}/daily/activity", activity.activity(by, parameter), roles, True),
            Page(
                "GET",
                f"/{name}/daily/activity/aggregated",
                activity.activity(by, parameter, whole=True),
                roles,
                True,
            ),
        )
    ),
    Page("POST", "/spend/calculate", spend.calculate, KEY),
    Page("GET", "/audit", audit.listed, VIEWER, True),
    Page("GET", "/audit/{id}", audit.one, VIEWER, True),
)
ACCESS_GROUPS: Final = (
    *(
        page
        for root in ("/v1/access_group", "/v1/unified_access_group")
        for page in (
            Page("POST", root, access_groups.make, ADMIN, True),
            Page("GET", root, access_groups.listed, VIEWER, True),
            Page("GET", root + "/{id}", access_groups.one, VIEWER, True),
            Page("PUT", root + "/{id}", access_groups.change, ADMIN, True),
            Page("DELETE", root + "/{id}", access_groups.remove, ADMIN, True),
        )
    ),
    Page("POST", "/access_group/new", access_groups.make_named, ADMIN, True),
    Page("GET", "/access_group/list", access_groups.listed_named, VIEWER, True),
    Page("GET", "/access_group/{name}/info", access_groups.one_named, VIEWER, True),
    Page("PUT", "/access_group/{name}/update", access_groups.change_named, ADMIN, True),
    Page("DELETE", "/access_group/{name}/delete", access_groups.remove_named, ADMIN, True),
)
PAGES: Final = (
    *OWN,
    *JOBS,
    *KEYS,
    *PEOPLE,
    *_rows(simple.Pages(simple.BUDGET), "budget"),
    Page("GET", "/budget/settings", simple.budget_settings, VIEWER, True),
    *_rows(simple.Pages(simple.CUSTOMER), "customer", blocks=True),
    *_rows(simple.Pages(simple.CUSTOMER), "end_user", blocks=True),
    *_rows(simple.Pages(simple.TAG), "tag"),
    *ACCESS_GROUPS,
    *(
        page
        for page in _rows(simple.Pages(simple.ACCESS_GROUP), "access_group")
        if page.path not in {own.path for own in ACCESS_GROUPS}
    ),
    *MODELS,
    *CREDENTIALS,
    *SPEND,
)


async def identify(request: Request, gateway: Gateway, page: Page) -> Caller:
    """Raises AuthenticationError, and PermissionDeniedError that says nothing about what exists."""
    if page.roles is OPEN:
        return ANYBODY
    caller = await gateway.snapshot.access.find(Lines(request.headers.raw))
    caller.check(gateway.clock.time())
    if caller.routes or caller.addresses:
        caller.reach(request.url.path, request.client.host if request.client else "")
    if page.manages and caller.restricted:
        raise PermissionDeniedError("this key is for model calls alone", type="auth_error", code="403")
    if caller.role not in page.roles:
        raise PermissionDeniedError(
            f"your role {caller.role!r} is not enough for {page.method} {page.path}: it needs "
            f"{' or '.join(sorted(page.roles))}",
            type="auth_error",
            code="403",
        )
    return caller
