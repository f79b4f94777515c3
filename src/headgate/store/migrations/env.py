"""What Alembic runs: our connection, our tables."""

from alembic import context

from headgate.store.tables import metadata

_given = context.config.attributes
context.configure(
    connection=_given["connection"],
    target_metadata=metadata,
    version_table=_given["version_table"],
    transactional_ddl=False,  # the caller's transaction is around it
    render_as_batch=True,
)
context.run_migrations()
