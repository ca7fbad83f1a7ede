"""What ingest touches: the events queue, the tenants table, and SNS by HTTPS."""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError

from constructs_lib.runtime.envelope import Envelope
from constructs_lib.runtime.tenant_throttle import Refuse, Sideline, TenantThrottle
from lambdas.ingest.domain import OverRateError, UnavailableError
from lambdas.shared.messages import ReceivedEvent
from lambdas.shared.tenants import TenantRepository

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

# A certificate or a confirmation is a few kilobytes.
LONGEST_ANSWER = 64 * 1024


class EventQueue:
    """The events queue, and its sideline: fair per tenant, because a message's group is its tenant.

    Args:
        client: SQS client of this region.
        url: The queue.
        sideline_url: Where events wait that must not delay others. None: in the same queue.
    """

    def __init__(self, client: "SQSClient", url: str, *, sideline_url: str | None = None) -> None:
        self._client = client
        self._url = url
        self._sideline_url = sideline_url or url

    def put(self, event: ReceivedEvent, *, event_id: str, tenant: str, correlation_id: str, aside: bool) -> None:
        """Return once *event* is stored, *aside* if it must not delay others.

        Raises:
            UnavailableError: It is not.
        """
        envelope = Envelope(
            id=event_id,
            key=event_id,
            tenant=tenant,
            correlation_id=correlation_id,
            created=event.accepted_at,
            body=event.to_body(),
        )
        try:
            url = self._sideline_url if aside else self._url
            self._client.send_message(QueueUrl=url, MessageBody=envelope.to_json(), MessageGroupId=tenant)
        except (ClientError, BotoCoreError) as error:
            raise UnavailableError(f"the events queue did not take the event: {type(error).__name__}") from error


class TenantRates:
    """How much a tenant may send, by the throttle that all environments share.

    Args:
        throttle: It.
    """

    def __init__(self, throttle: TenantThrottle) -> None:
        self._throttle = throttle

    def aside(self, tenant: str) -> bool:
        """Whether the next event of *tenant* has to wait aside.

        Raises:
            OverRateError: It is not taken at all.
        """
        decision = self._throttle.decide(tenant)
        if isinstance(decision, Refuse):
            raise OverRateError(tenant, decision.retry_after)
        return isinstance(decision, Sideline)


class TenantDirectory:
    """The tenants table as ingest asks it.

    Args:
        tenants: The table.
    """

    def __init__(self, tenants: TenantRepository) -> None:
        self._tenants = tenants

    def tenant_of_endpoint(self, endpoint: str) -> str | None:
        """Id of the tenant that owns *endpoint*; None when nobody does.

        Raises:
            UnavailableError: The table does not answer.
        """
        try:
            return self._tenants.tenant_of_endpoint(endpoint)
        except (ClientError, BotoCoreError) as error:
            raise UnavailableError(f"the tenants table did not answer: {type(error).__name__}") from error


class VerifiedWeb:
    """HTTPS with certificates verified, short time limits, no redirects and a bounded answer."""

    def __init__(self) -> None:
        self._pool = PoolManager(cert_reqs="CERT_REQUIRED", timeout=Timeout(connect=2, read=5), retries=False)

    def get(self, url: str) -> tuple[int, bytes]:
        """Status of *url* and the beginning of what is there.

        Raises:
            UnavailableError: Nothing answers in time.
        """
        try:
            answer = self._pool.request("GET", url, redirect=False, preload_content=False)
            try:
                return answer.status, answer.read(LONGEST_ANSWER)
            finally:
                answer.close()
                answer.release_conn()
        except HTTPError as error:
            raise UnavailableError(f"no answer to the request: {type(error).__name__}") from error
