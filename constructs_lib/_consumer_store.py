"""Where consumers remember what is done: a table of each one's own, or one shared by regions with strong consistency."""

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

# In the app's metadata: two consumers of one name would take each other's messages for copies of their own.
_METADATA = "constructs_lib:remembers"

# What the runtime does with claims and results: statements of PartiQL and calls for several items take rights of their
# own. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html
_CLAIMS = ("BatchGetItem", "PartiQLDelete", "PartiQLInsert", "PartiQLUpdate")
# With notes of why messages failed.
_NOTES = ("BatchWriteItem",)
# A transaction takes the rights of what is in it: here the mark of a message.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
_IN_TRANSACTIONS = ("PutItem",)


class SharedStore(Construct):
    """A strongly consistent idempotency store as one region sees it. `StronglyConsistentStore` makes it.

    Attributes:
        table: The copy of the table in this stack's region.
    """

    table: dynamodb.ITableV2


class SharedStoreInRegion(SharedStore):
    """A store that another stack made, found by the name of its table.

    Args:
        scope: Construct in the stack that uses the store.
        id: Name, unique within *scope*.
        table_name: The name given to the table.
    """

    def __init__(self, scope: Construct, id: str, *, table_name: str) -> None:
        super().__init__(scope, id)
        self.table = dynamodb.TableV2.from_table_name(self, "Table", table_name)


def regional_table(scope: Construct) -> dynamodb.Table:
    """A table in this region only, whose items DynamoDB deletes some time after they have expired."""
    return dynamodb.Table(
        scope,
        "Done",
        partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
        time_to_live_attribute="expiration",
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        deletion_protection=True,
        removal_policy=RemovalPolicy.RETAIN,
    )


def check_store(store: object) -> None:
    """Refuse anything but a store made for it.

    Raises:
        TypeError: If *store* is something else.
    """
    if store is None or isinstance(store, SharedStore):
        return
    raise TypeError(
        f"store must be a StronglyConsistentStore or what its in_region gives, got {type(store).__name__}; a table that "
        "is replicated eventually lets two regions both find that a message was not done yet: leave store out to "
        "remember in this region only"
    )


def remember_alone(owner: Construct, store: SharedStore) -> str:
    """Have *owner* be the only consumer of its name with that store and in that region; return its prefix there.

    Raises:
        ValueError: If another one of the app has the same name.
    """
    stack = Stack.of(owner)
    scope = f"message/{owner.node.id}"
    who = f"{stack.region} {stack.resolve(store.table.table_name)} {scope}"
    for entry in owner.node.root.node.metadata:
        if entry.type == _METADATA and entry.data[0] == who:
            raise ValueError(
                f"id of {owner.node.path!r} must be its alone among the consumers of a store, got {owner.node.id!r} as "
                f"for {entry.data[1]!r}; each would take the other's messages for copies of its own: rename one"
            )
    owner.node.root.node.add_metadata(_METADATA, [who, owner.node.path])
    return scope


def let_remember(
    consumer: iam.IGrantable,
    table: dynamodb.ITable | dynamodb.ITableV2,
    *,
    transactions: bool = False,
    notes: bool = False,
) -> iam.Grant:
    """Let *consumer* claim, record and look up messages, and nothing else.

    Args:
        consumer: The function.
        table: Where it remembers.
        transactions: Whether it marks transactions there. Default: False.
        notes: Whether it notes there why messages failed. Default: False.
    """
    use = _CLAIMS + (_IN_TRANSACTIONS if transactions else ()) + (_NOTES if notes else ())
    return iam.Grant.add_to_principal(
        grantee=consumer, actions=[f"dynamodb:{action}" for action in use], resource_arns=[table.table_arn]
    )
