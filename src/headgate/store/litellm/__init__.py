"""Brings what LiteLLM keeps in its PostgreSQL database into ours: who may call, how much, and what was spent.

LiteLLM's database is only read. It may be done again, while LiteLLM runs on: what is new or was changed there is
brought, nothing twice, and what was changed here later stays.
"""

from collections.abc import Callable

from headgate.store import migrations
from headgate.store.crypto import Vault
from headgate.store.database import Database
from headgate.store.litellm import history, keys, lost, members, spending
from headgate.store.litellm.bring import Work, bring
from headgate.store.litellm.kinds import KINDS
from headgate.store.litellm.report import Line, Note, Report
from headgate.store.litellm.source import Source, read

__all__ = ["Line", "Note", "Report", "run"]


def run(
    url: str,
    target: Database,
    now: float,
    vault: Vault,
    *,
    salt: str = "",
    master: str = "",
    since: float | None = None,
    dry: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> Report:
    """Brings all. `salt` opens what LiteLLM has encrypted, `vault` seals it here; `master` is the master key, whose
    calls have its hash; `since` is the time of the first call to bring. With `dry` nothing is written; our tables
    must be there all the same.

    Raises HeadgateError where LiteLLM's database or ours can't be used.
    """
    report = Report()
    if not dry:
        migrations.upgrade(target)

    def work(source: Source) -> None:
        job = Work(
            source=source,
            target=target,
            report=report,
            now=now,
            vault=vault,
            salt=salt,
            master=master,
            since=since,
            dry=dry,
            progress=progress,
        )
        job.replaced = keys.replaced(job)
        _bring(job)

    read(url, work)
    return report


def _bring(work: Work) -> None:
    for removed in keys.REMOVED:
        keys.remove(work, removed)
    for kind in KINDS:
        bring(work, kind)
    keys.retire(work)
    members.bring(work, members.TEAM_MEMBERS)
    members.bring(work, members.ORGANIZATION_MEMBERS)
    history.bring(work)
    spending.bring(work)
    lost.tell(work)
