"""Global tables: a pure state machine, and what drives it over the replicas."""
