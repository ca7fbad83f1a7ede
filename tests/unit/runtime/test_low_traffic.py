"""What the circuit learns where little is called: an outage soon, and from one payload nothing."""

from functools import partial
from typing import Any, cast

import pytest

from constructs_lib.runtime.breaker_store import DynamoStatus
from constructs_lib.runtime.circuit_gate import CircuitGate
from constructs_lib.runtime.settings import BreakerSettings
from tests.unit.runtime.fake_status_table import StatusClient
from tests.unit.runtime.stream_model import START, Model, Shape

# A lone record's first five attempts, with the longest pauses between them that still let two seconds pass last.
ATTEMPTS_SECONDS = 8.4


def default_gate(model: Model) -> CircuitGate:
    """A gate with the settings that a function has for which nothing else is set."""
    client = cast("Any", StatusClient(model.status_table))
    status = DynamoStatus(client, "state", clock=lambda: model.clock.now)
    return CircuitGate(BreakerSettings(), store=status, watch=model.watch, jitter=model.jitter)


def traffic(seed: int, *, every: float, seconds: float) -> Model:
    """Two commands about a new alert every so often."""
    model = Model(Shape(batch_size=100, concurrency=100, seed=seed, timeout_seconds=60), gate=default_gate)
    for number in range(int(seconds / every)):
        for delay in (0.0, 0.3):
            model.clock.at(START + number * every + delay, partial(model.put, f"a{number}"))
    return model


@pytest.mark.requirement("ISO-12")
@pytest.mark.parametrize("every", [0.8, 1.6, 3.0])
@pytest.mark.parametrize("seed", range(8))
def test_an_outage_opens_the_circuit_within_seconds(seed: int, every: float) -> None:
    """Though the calls of the minute before it were answered, and its first record is tried alone."""
    model = traffic(seed, every=every, seconds=90)
    model.run(42 + seed / 8 * every)
    model.down = True
    began = model.clock.now
    while model.status_table.state != "open":
        model.run(0.1)
        assert model.clock.now <= began + every + ATTEMPTS_SECONDS + 2


@pytest.mark.requirement("ISO-07", "ISO-12")
@pytest.mark.parametrize("seed", range(4))
def test_payloads_that_are_never_answered_are_told_from_an_outage(seed: int) -> None:
    """They end in quarantine, everything else is delivered, and the circuit is closed more than nine tenths of the time."""
    model = traffic(seed, every=0.8, seconds=400)
    for number in range(4):
        model.clock.at(START + 50 + 90.4 * number, partial(model.put, f"b{number}", "unanswered"))
    open_for = 0
    for _ in range(420):
        model.run(1)
        open_for += model.status_table.state == "open"
    model.run(300)
    assert not model.broken
    assert not model.still_open
    cases = [(model.sent[case.arrival.name].nature, case.kind) for case in model.quarantine.cases]
    assert cases == [("unanswered", "unavailable")] * 4
    assert open_for <= 42
