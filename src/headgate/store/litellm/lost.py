"""What LiteLLM keeps and Headgate has no place for: named and counted, so that nobody believes it was brought."""

from collections.abc import Mapping
from typing import Final

from headgate.store.litellm.bring import Work

TABLES: Final[Mapping[str, tuple[str, str]]] = {
    "LiteLLM_ProjectTable": (
        "projects",
        "there are no projects: their budgets, limits and models bind no key",
    ),
    "LiteLLM_AgentsTable": ("agents", "there are no agents"),
    "LiteLLM_MCPServerTable": ("MCP servers", "there is no MCP gateway"),
    "LiteLLM_Config": (
        "settings",
        "write them into the configuration: settings are not read from a database",
    ),
    "LiteLLM_GuardrailsTable": ("guardrails", "guardrails kept in the database have no effect"),
    "LiteLLM_PolicyTable": ("policies", "policies have no effect"),
    "LiteLLM_PromptTable": ("prompts", "prompts kept in the database have no effect"),
    "LiteLLM_ManagedVectorStoresTable": ("vector stores", "there are no vector stores"),
    "LiteLLM_ManagedFileTable": ("managed files", "ids of files that LiteLLM made up are not known here"),
    "LiteLLM_SearchToolsTable": ("search tools", "there are no search tools"),
    "LiteLLM_ModelAccessGroupBudgetTable": (
        "budgets of model groups",
        "budgets of access groups are not kept",
    ),
    "LiteLLM_BudgetWindowSpend": ("spend of budget windows", "budgets of several windows are not kept"),
    "LiteLLM_JWTKeyMapping": ("keys of JWTs", "JWTs are not mapped to keys"),
    "LiteLLM_InvitationLink": ("invitations", "invitations are not brought"),
    "LiteLLM_SSOConfig": ("SSO settings", "SSO settings are not brought"),
    "LiteLLM_AuditLog": ("audit log", "LiteLLM's audit log stays in its database"),
    "LiteLLM_ErrorLogs": ("error logs", "old error logs stay in LiteLLM's database"),
}


def tell(work: Work) -> None:
    for table, (what, reason) in TABLES.items():
        if number := work.source.count(table):
            work.report.note(what, "", reason, number)
    for table in sorted(work.source.closed):
        work.report.note("table", table, "may not be read by this user")
