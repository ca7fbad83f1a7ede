"""grant_items: let a consumer write items the way the runtime does for it."""

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam

# The runtime looks for what is there, and writes on conditions by PartiQL; CDK's own grants know no PartiQL.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html
_ITEMS = ("dynamodb:BatchGetItem", "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate")


def grant_items(table: dynamodb.ITable | dynamodb.ITableV2, consumer: iam.IGrantable) -> iam.Grant:
    """Let *consumer* make effects of the kinds `Insert`, `Fold` and `Replace` in *table*, and nothing else.

    A `Transact` takes other rights, those of what is in it: `table.grant(consumer, "dynamodb:PutItem",
    "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem")`, as far as it has them.

    Args:
        table: Where items are written.
        consumer: Function that writes them.
    """
    return table.grant(consumer, *_ITEMS)
