"""The alerts table in memory: one world that several regions share, replicated at once."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from lambdas.shared.alert import AlertRow, RevisionConflictError


@dataclass
class World:
    """What is stored, and hooks: one before each write of facts, to let others in between; one before each read."""

    rows: dict[tuple[str, str], AlertRow] = field(default_factory=dict)
    hints: dict[tuple[str, str, str], int] = field(default_factory=dict)
    recoveries: dict[tuple[str, str, str], str] = field(default_factory=dict)
    before_save: list[Callable[[], object]] = field(default_factory=list)
    before_read: Callable[[str], object] = lambda alert_id: None


@dataclass
class MemoryAlerts:
    """The repository of one region."""

    world: World
    region: str = "us-east-1"

    def rows(self, alert_id: str) -> list[AlertRow]:
        self.world.before_read(alert_id)
        return [row for (known, _), row in sorted(self.world.rows.items()) if known == alert_id]

    def save_facts(self, row: AlertRow) -> AlertRow:
        if row.region != self.region:
            raise ValueError(f"the row of {row.region} may not be written from {self.region}")
        if self.world.before_save:
            self.world.before_save.pop(0)()
        stored = self.world.rows.get((row.alert_id, row.region))
        if (stored.revision if stored else 0) != row.revision:
            raise RevisionConflictError(row.alert_id)
        saved = replace(row, revision=row.revision + 1)
        self.world.rows[row.alert_id, row.region] = saved
        return saved

    def generation_hint(self, tenant: str, fingerprint: str) -> int:
        return max((g for (t, f, _), g in self.world.hints.items() if (t, f) == (tenant, fingerprint)), default=1)

    def remember_generation(self, row: AlertRow) -> None:
        self.world.hints[row.tenant, row.fingerprint, self.region] = row.generation

    def recovered_at(self, tenant: str, fingerprint: str) -> str | None:
        known = [at for (t, f, _), at in self.world.recoveries.items() if (t, f) == (tenant, fingerprint)]
        return max(known, default=None)

    def remember_recovery(self, tenant: str, fingerprint: str, *, recovered_at: str) -> None:
        key = (tenant, fingerprint, self.region)
        self.world.recoveries[key] = max(recovered_at, self.world.recoveries.get(key, ""))
