"""DynamoDB in this process: the part of its semantics that this project's code relies on, counted and breakable.

`FakeDynamoDB` holds the tables, `client()` gives an object with botocore's methods, `serve()` answers a real client.
"""

from tests.standins.dynamodb.database import FakeDynamoDB
from tests.standins.dynamodb.faults import Action, Faults, Moment
from tests.standins.dynamodb.server import serve

__all__ = ["Action", "FakeDynamoDB", "Faults", "Moment", "serve"]
