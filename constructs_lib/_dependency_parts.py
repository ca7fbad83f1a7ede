"""Which constructs work for which external dependency, written where a rule can find it."""

from constructs import IConstruct

# In the construct tree, because two Python objects may stand for one construct.
METADATA = "constructs_lib:dependency"


def part_of_dependency(dependency: str, *parts: IConstruct) -> None:
    """Say that *parts*, with all that is inside them, work for one external dependency.

    `IsolatedDependencyStream` says it of itself and its consumer. Say it of whatever else only that dependency may use,
    or of an isolation built without this library; `DependencyIsolation` then watches that no two dependencies share it.

    Args:
        dependency: Its name; parts of one name belong together, in whatever stack they are.
        parts: Constructs that work for it.
    """
    for part in parts:
        part.node.add_metadata(METADATA, dependency)
