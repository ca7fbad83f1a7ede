"""One invocation of a stream's consumer, from the event to what is handed back."""

import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from constructs_lib.runtime.attempts import (
    DependencyAway,
    Done,
    Refused,
    Result,
    TenantAway,
    Unknown,
    Waits,
    attempt,
    seconds_aside,
)
from constructs_lib.runtime.batch_response import BatchResponse, batch_response
from constructs_lib.runtime.batch_tasks import Call, Entry, Keep, Park, Task
from constructs_lib.runtime.crew import Crew
from constructs_lib.runtime.deadline import Deadline, InvocationContext
from constructs_lib.runtime.descriptions import describe
from constructs_lib.runtime.quarantine import Case
from constructs_lib.runtime.records import Record, stream_arrivals
from constructs_lib.runtime.stream_batch import Ended, Memory, StreamBatch
from constructs_lib.runtime.stream_effects import MadeOnce
from constructs_lib.runtime.stream_ports import Parked, Status, StreamPorts


def handler_of(
    handle_record: Callable[[Record], object], load: Callable[[], StreamPorts]
) -> Callable[[Mapping[str, Any], InvocationContext], BatchResponse]:
    """Make the Lambda handler that `stream_consumer` describes; *load* makes the ports on the first event."""
    ports_of = cache(load)
    memory = Memory()
    crew: Crew[Ended] = Crew()

    def handle(event: Mapping[str, Any], context: InvocationContext) -> BatchResponse:
        ports = ports_of()
        deadline = Deadline(context)
        handle_one = once(handle_record, ports, context)
        with ports.watch.about(function_request_id=context.aws_request_id):
            try:
                status = read_status(ports)
                if event.get("resilience") == "drain":
                    ports.drainer.drain(handle_one, deadline=deadline, function=context.function_name, status=status)
                    ports.gate.report(ports.clock())
                    return batch_response([])
                arrivals = stream_arrivals(event)
                if not arrivals:
                    return batch_response([])
                batch = StreamBatch(arrivals, ports=ports, memory=memory, deadline=deadline, status=status)
                perform = partial(carry_out, handle_record=handle_one, ports=ports, function=context.function_name)
                return batch_response(_run(batch, crew, perform, ports.clock))
            finally:
                ports.watch.flush()

    return handle


def once(
    handle_record: Callable[[Record], object], ports: StreamPorts, context: InvocationContext
) -> Callable[[Record], object]:
    """Return the handler as an invocation calls it: inside what makes its effect once, if there is such."""
    if ports.engine is None:
        return handle_record
    return MadeOnce(
        handle_record=handle_record, engine=ports.engine, context=context, watch=ports.watch, now=ports.clock
    )


def carry_out(task: Task, *, handle_record: Callable[[Record], object], ports: StreamPorts, function: str) -> Ended:
    """Do what a batch asks for, and say what came of it. Never raises; called by several threads at once."""
    begun, aside = time.monotonic(), 0.0
    result: Result | None = None
    error: Exception | None = None
    try:
        if isinstance(task, Call):
            result = _call(task.entry, handle_record, ports)
            aside = seconds_aside()
        elif isinstance(task, Keep):
            _keep(task, ports, function)
        else:
            _park(task, ports)
    except Exception as failure:  # noqa: BLE001 - a task that is never heard of again would stop the batch
        error = failure
        if isinstance(task, Call):
            result = Unknown(describe(failure))
    return Ended(task, result, error, time.monotonic() - begun, aside)


def _run(
    batch: StreamBatch, crew: Crew[Ended], perform: Callable[[Task], Ended], clock: Callable[[], float]
) -> list[str]:
    """Have the tasks of a batch carried out; return the position to go on from, if there is one."""
    work = batch.work()
    try:
        turn = next(work)
        while True:
            for task in turn.tasks:
                crew.begin(partial(perform, task))
            turn = work.send(crew.ended(within=turn.until - clock()))
    except StopIteration as stop:
        batch.report()
        return [stop.value.position] if stop.value else []
    finally:
        crew.see_off()


def read_status(ports: StreamPorts) -> Status | None:
    """Read what all invocations for the dependency share, and let the gate know; None if it cannot be read."""
    status = None
    try:
        status = ports.status.read()
    except Exception as error:  # noqa: BLE001 - without it, what this environment knows goes on
        ports.watch.warning("the state table cannot be read", error=describe(error))
    ports.gate.refresh(status, ports.clock())
    return status


def _call(entry: Entry, handle_record: Callable[[Record], object], ports: StreamPorts) -> Result:
    record, watch = entry.record, ports.watch
    assert record is not None
    with watch.about(
        correlation_id=record.correlation_id, record_id=record.id, tenant=record.tenant, position=record.position
    ):
        result = attempt(handle_record, record)
        match result:
            case Done(called):
                watch.info("record done" if called else "record done before", attempt=entry.calls)
            case Waits(reason, retry_after):
                watch.warning("record waits", reason=reason, retry_after=retry_after)
            case TenantAway(reason, retry_after):
                watch.warning("tenant unavailable", reason=reason, retry_after=retry_after)
            case DependencyAway(reason, retry_after):
                watch.warning("dependency unavailable", reason=reason, retry_after=retry_after, attempt=entry.calls)
            case Unknown(reason, at):
                watch.warning("attempt failed", attempt=entry.calls, error=reason, at=list(at))
            case Refused():
                pass  # the line is written when it is in quarantine
    return result


def _keep(task: Keep, ports: StreamPorts, function: str) -> None:
    entry = task.entry
    ports.quarantine.keep(
        Case(
            arrival=entry.arrival,
            record=entry.record,
            kind=task.kind,
            reason=task.reason,
            attempts=entry.calls,
            function=function,
        )
    )
    keys = {"position": entry.arrival.position}
    if entry.record:
        keys |= {
            "correlation_id": entry.record.correlation_id,
            "record_id": entry.record.id,
            "tenant": entry.record.tenant,
        }
    with ports.watch.about(**keys):
        ports.watch.error("record quarantined", kind=task.kind, reason=task.reason, attempts=entry.calls)


def _park(task: Park, ports: StreamPorts) -> None:
    parked = [Parked(arrival=entry.arrival, record=entry.record) for entry in task.entries if entry.record]
    ports.parking.park(task.tenant, parked, until=task.until)
    for each in parked:
        with ports.watch.about(
            correlation_id=each.record.correlation_id,
            record_id=each.record.id,
            tenant=each.record.tenant,
            position=each.record.position,
        ):
            ports.watch.info("record parked")
