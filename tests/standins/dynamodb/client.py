"""A client with botocore's methods, arguments, answers and errors."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.exceptions import EndpointConnectionError, ParamValidationError, ReadTimeoutError
from botocore.validate import ParamValidator

from tests.standins.dynamodb.faults import Faults, Moment
from tests.standins.dynamodb.refusals import RequestRefusedError, exceptions, service_model

if TYPE_CHECKING:
    from tests.standins.dynamodb.database import FakeDynamoDB

_ENDPOINT = "https://dynamodb.example"


class FakeClient:
    """What `FakeDynamoDB.client` gives. It does not retry: an error is what is left after the real client's tries.

    Attributes:
        faults: How it breaks; may be changed at any time.
        exceptions: Classes of errors, as a client of botocore has them.
    """

    def __init__(self, database: "FakeDynamoDB", faults: Faults) -> None:
        self._database = database
        self.faults = faults

    @property
    def exceptions(self) -> Any:
        """Classes of errors."""
        return exceptions()

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        model = _model(name)

        def call(**request: Any) -> dict[str, Any]:
            report = ParamValidator().validate(request, model.input_shape)
            if report.has_errors():
                raise ParamValidationError(report=report.generate_report())
            return self._call(name, model.name, request)

        return call

    def _call(self, operation: str, wire_name: str, request: Mapping[str, Any]) -> dict[str, Any]:
        faults = self.faults
        faults.crash(Moment(operation, request, after=False))
        reach = faults.reach(operation)
        if reach == "refused":
            raise EndpointConnectionError(endpoint_url=_ENDPOINT)
        if reach == "late":
            raise ReadTimeoutError(endpoint_url=_ENDPOINT)
        try:
            answer = self._database.perform(operation, request, faults)
        except RequestRefusedError as refused:
            faults.crash(Moment(operation, request, after=True))
            if reach == "lost":
                raise ReadTimeoutError(endpoint_url=_ENDPOINT) from None
            raise refused.as_client_error(wire_name) from None
        faults.crash(Moment(operation, request, after=True))
        if reach == "lost":
            raise ReadTimeoutError(endpoint_url=_ENDPOINT)
        return answer


def _model(name: str) -> Any:
    for operation in service_model().operation_names:
        if xform_name(operation) == name:
            return service_model().operation_model(operation)
    raise AttributeError(f"DynamoDB has no operation {name}")
