"""What outlives a process: tables, migrations, the journal of calls, meters shared between replicas.

Knows SQL and Redis; knows no HTTP, no provider and no call in flight.
"""
