"""Who a function works for: a consumer shared by two sources would carry the trouble of one to the other."""

from constructs import Construct, IConstruct

# In the cloud assembly's metadata, because two Python objects may stand for one construct.
_METADATA = "constructs_lib:consumes"


def claim(consumer: IConstruct, owner: Construct) -> None:
    """Let *consumer* work for *owner* and nobody else.

    Raises:
        ValueError: If it works for another construct already.
    """
    for entry in consumer.node.metadata:
        if entry.type == _METADATA:
            raise ValueError(
                f"consumer of {owner.node.path!r} must work for it alone, but {consumer.node.path!r} already consumes "
                f"for {entry.data!r}; give each its own function, from the same source if the code is the same"
            )
    consumer.node.add_metadata(_METADATA, owner.node.path)
