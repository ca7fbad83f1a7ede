import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from constructs_lib.local import ports
from constructs_lib.local.router import server as router_server
from constructs_lib.local.router.relay import Peer, Response
from constructs_lib.local.router.server import RouterServer
from constructs_lib.local.router.table import OperationFault, Table


class Region:
    """Stands in for the emulator of a region: notes what it gets and answers with its name."""

    def __init__(self, name: str) -> None:
        self.name, self.port = name, ports.free()
        self.seen: list[tuple[str, bytes]] = []
        self.heads: list[bytes] = []
        self.connections = 0
        self.apis: set[str] = set()
        self.closes_idle = False
        self.missing = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await self.answer(head, reader, writer)
                if self.closes_idle:
                    break

    async def answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = head.split(b"\r\n")[0].decode()
        if b"chunked" in head.lower():
            body = await reader.readuntil(b"0\r\n\r\n")
        else:
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
            body = await reader.readexactly(length)
        self.seen.append((line, body))
        self.heads.append(head)
        if b"Upgrade: websocket" in head:
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            writer.write(await reader.readexactly(4))
        elif "/stuck" in line:
            await reader.read()
        elif "/stream" in line:
            writer.write(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n5;x=y\r\nthree\r\n0\r\nT: x\r\n\r\n"
            )
        elif "/until-the-end" in line:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
            writer.close()
        else:
            lookup = line.startswith(("GET /v2/apis/", "GET /restapis/"))
            found = line.split()[1].rpartition("/")[2] in self.apis if lookup else not self.missing
            content = self.name.encode()
            writer.write(b"HTTP/1.1 %d -\r\nContent-Length: %d\r\n\r\n" % (200 if found else 404, len(content)))
            writer.write(b"" if line.startswith("HEAD") else content)


class World:
    """A router with two regions behind it."""

    def __init__(self) -> None:
        self.regions = {name: Region(name) for name in ("us-east-1", "eu-west-1")}
        self.origins = {ports.free(): name for name in self.regions}
        self.table = Table(
            home="us-east-1",
            regions={name: region.port for name, region in self.regions.items()},
            origins=self.origins,
        )
        self.router = RouterServer(self.table)
        self.port = ports.free()

    async def apply(self, **changes: object) -> None:
        await self.router.apply(replace(self.table, **changes))  # type: ignore[arg-type]

    async def disturb(self, mode: str, **more: object) -> None:
        settings = {"region": "eu-west-1", "service": "dynamodb", "mode": mode, **more}
        await self.apply(disturbances={"operation-1": OperationFault(**settings)})  # type: ignore[arg-type]

    async def ask(self, request: bytes, port: int | None = None) -> tuple[int, bytes]:
        client = await Peer.at(port or self.port)
        try:
            return await ask_on(client, request)
        finally:
            client.writer.close()


async def ask_on(client: Peer, request: bytes) -> tuple[int, bytes]:
    client.writer.write(request)
    response = await Response.of(client)
    if response.closes:
        return response.status, await client.reader.read()
    length = int(response.head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
    return response.status, b"" if request.startswith(b"HEAD") else await client.reader.readexactly(length)


def signed(region: str, service: str, line: str = "POST /", more: str = "", body: bytes = b"") -> bytes:
    scope = f"Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/{region}/{service}/aws4_request"
    return f"{line} HTTP/1.1\r\nHost: a\r\n{scope}\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


def play(scene: Callable[[World], Awaitable[None]]) -> World:
    """Run *scene* with everything listening."""

    async def run() -> World:
        world = World()
        async with contextlib.AsyncExitStack() as stack:
            for region in world.regions.values():
                await stack.enter_async_context(await asyncio.start_server(region.serve, "127.0.0.1", region.port))
            await world.router.listen(world.port)
            await world.router.apply(world.table)
            async with asyncio.timeout(10):
                await scene(world)
        world.router.close()
        served = asyncio.all_tasks() - {asyncio.current_task()}
        for task in served:
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)
        # Connections that were closed just now are gone after a few rounds of the loop.
        for _ in range(10):
            await asyncio.sleep(0)
        return world

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("region", "service", "line", "goes_to"),
    [
        ("eu-west-1", "dynamodb", "POST /", b"eu-west-1"),
        ("us-east-1", "kinesis", "POST /", b"us-east-1"),
        ("eu-west-1", "sts", "POST /", b"eu-west-1"),
        ("eu-west-1", "route53", "GET /2013-04-01/hostedzone", b"us-east-1"),
        ("sa-east-1", "sqs", "POST /", b"us-east-1"),
    ],
)
def test_a_request_goes_to_the_region_it_is_signed_for(region: str, service: str, line: str, goes_to: bytes) -> None:
    """Global services and regions that are not here are at home."""

    async def scene(world: World) -> None:
        assert await world.ask(signed(region, service, line)) == (200, goes_to)

    play(scene)


def test_one_connection_may_serve_several_regions() -> None:
    """Requests of one connection are told apart one by one; each region keeps one connection of its own."""

    async def scene(world: World) -> None:
        client = await Peer.at(world.port)
        for region in ("eu-west-1", "us-east-1", "eu-west-1"):
            assert await ask_on(client, signed(region, "sqs")) == (200, region.encode())
        client.writer.close()

    assert [region.connections for region in play(scene).regions.values()] == [1, 1]


def test_an_api_is_found_where_it_is() -> None:
    """An unsigned call of an API names no region: the region that has the API gets it, found once."""

    async def scene(world: World) -> None:
        world.regions["eu-west-1"].apis = {"abc"}
        for _ in range(2):
            assert await world.ask(b"GET /_aws/execute-api/abc/$default/x HTTP/1.1\r\n\r\n") == (200, b"eu-west-1")

    world = play(scene)
    assert len([line for line, _ in world.regions["us-east-1"].seen if "apis/abc" in line]) == 2


def test_an_api_of_a_lost_region_is_not_answered_by_another() -> None:
    """Also when nobody has asked for it before: what no other region has can only be there."""

    async def scene(world: World) -> None:
        await world.apply(lost=frozenset({"eu-west-1"}))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await world.ask(b"GET /_aws/execute-api/abc/$default/x HTTP/1.1\r\n\r\n")

    play(scene)


def test_a_control_call_reaches_every_region() -> None:
    """It names no region, and the answer is that of the region in which it succeeded."""

    async def scene(world: World) -> None:
        world.regions["us-east-1"].missing = True
        body = b'{"Status": "SUCCESS"}'
        head = f"PUT /_ministack/cfn-response/token HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        assert (await world.ask(head + body))[0] == 200
        for region in world.regions.values():
            assert region.seen == [("PUT /_ministack/cfn-response/token HTTP/1.1", body)]

    play(scene)


def test_what_a_regions_stacks_made_of_a_global_service_is_found_from_everywhere() -> None:
    """IAM and Route 53 are one for all regions: what is not at home is looked for in the others."""

    async def scene(world: World) -> None:
        world.regions["us-east-1"].missing = True
        assert await world.ask(signed("us-east-1", "iam")) == (200, b"eu-west-1")
        assert await world.ask(signed("us-east-1", "route53")) == (200, b"eu-west-1")
        assert (await world.ask(signed("us-east-1", "cloudfront")))[0] == 404

    play(scene)


def test_bodies_pass_as_they_are_framed() -> None:
    """Chunked both ways, longer than is held, until the connection ends: nothing is lost or added."""

    async def scene(world: World) -> None:
        chunks = b"4\r\nWiki\r\n0\r\n\r\n"
        head = b"PUT /b/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert await world.ask(head + chunks) == (200, b"us-east-1")
        large = b"x" * (router_server._HELD_BODY + 1)
        assert await world.ask(signed("us-east-1", "s3", "PUT /b/k", body=large)) == (200, b"us-east-1")
        assert [body for _, body in world.regions["us-east-1"].seen] == [chunks, large]

        assert await world.ask(b"GET /until-the-end HTTP/1.1\r\n\r\n") == (200, b"all of it")
        client = await Peer.at(world.port)
        client.writer.write(b"GET /stream HTTP/1.1\r\n\r\n")
        await client.reader.readuntil(b"\r\n\r\n")
        assert await client.reader.readuntil(b"T: x\r\n\r\n") == b"3\r\none\r\n5;x=y\r\nthree\r\n0\r\nT: x\r\n\r\n"
        assert await ask_on(client, b"HEAD /b/k HTTP/1.1\r\n\r\n") == (200, b"")
        assert await ask_on(client, b"GET /b/k HTTP/1.1\r\n\r\n") == (200, b"us-east-1")
        client.writer.close()

    play(scene)


def test_who_waits_for_100_continue_gets_it_from_the_router() -> None:
    """SDKs hold an upload back until then; the emulator never hears of it."""

    async def scene(world: World) -> None:
        client = await Peer.at(world.port)
        client.writer.write(b"PUT /b/k HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert (await Response.of(client)).status == 100
        assert await ask_on(client, b"abc") == (200, b"us-east-1")
        client.writer.close()

    assert b"Expect" not in play(scene).regions["us-east-1"].heads[0]


def test_a_kept_connection_that_has_closed_is_replaced() -> None:
    """The client does not notice that the emulator closes connections nobody uses."""

    async def scene(world: World) -> None:
        world.regions["us-east-1"].closes_idle = True
        client = await Peer.at(world.port)
        for _ in range(3):
            assert await ask_on(client, signed("us-east-1", "sqs")) == (200, b"us-east-1")
        client.writer.close()

    assert play(scene).regions["us-east-1"].connections == 3


def test_an_upgraded_connection_passes_both_ways() -> None:
    """What follows a 101 is passed on as it is."""

    async def scene(world: World) -> None:
        client = await Peer.at(world.port)
        client.writer.write(b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        client.writer.write(b"ping")
        assert (await Response.of(client)).status == 101
        assert await client.reader.readexactly(4) == b"ping"
        client.writer.close()

    play(scene)


def test_a_disturbed_operation_fails_where_it_is_disturbed_only() -> None:
    """Another operation, service or region is as before; and so is this one once the fault has ended."""

    async def scene(world: World) -> None:
        await world.disturb("throttled", operation="PutItem")
        put, get = (f"X-Amz-Target: DynamoDB_20120810.{name}\r\n" for name in ("PutItem", "GetItem"))
        assert (await world.ask(signed("eu-west-1", "dynamodb", more=put)))[0] == 400
        assert (await world.ask(signed("eu-west-1", "dynamodb", more=get)))[0] == 200
        assert (await world.ask(signed("eu-west-1", "sqs", more=put)))[0] == 200
        assert (await world.ask(signed("us-east-1", "dynamodb", more=put)))[0] == 200
        await world.apply()
        assert (await world.ask(signed("eu-west-1", "dynamodb", more=put)))[0] == 200

    play(scene)


def test_what_stands_in_for_the_inside_of_aws_is_not_disturbed() -> None:
    """Replication is not throttled with the calls of the app; but nothing gets to a region that is lost."""

    async def scene(world: World) -> None:
        inner = ports.free()
        fault = OperationFault(region="eu-west-1", service="dynamodb", mode="failed")
        await world.apply(disturbances={"operation-1": fault}, inner_port=inner)
        assert (await world.ask(signed("eu-west-1", "dynamodb"), inner))[0] == 200
        await world.apply(lost=frozenset({"eu-west-1"}), inner_port=inner)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await world.ask(signed("eu-west-1", "dynamodb"), inner)

    play(scene)


def test_a_fault_that_names_no_region_is_everywhere() -> None:
    """As an outage of a service is that reaches all of AWS."""

    async def scene(world: World) -> None:
        await world.disturb("failed", region=None)
        for region in ("us-east-1", "eu-west-1"):
            assert (await world.ask(signed(region, "dynamodb")))[0] == 500
            assert (await world.ask(signed(region, "sqs")))[0] == 200

    play(scene)


def test_a_broken_service_fails_whatever_is_asked() -> None:
    """A fault that names no operation holds for each."""

    async def scene(world: World) -> None:
        await world.disturb("failed")
        assert (await world.ask(signed("eu-west-1", "dynamodb")))[0] == 500

    play(scene)


def test_a_slow_operation_is_answered_late() -> None:
    """By as much as the fault says."""

    async def scene(world: World) -> None:
        await world.disturb("slow", by=0.2)
        began = asyncio.get_running_loop().time()
        assert (await world.ask(signed("eu-west-1", "dynamodb")))[0] == 200
        assert asyncio.get_running_loop().time() - began >= 0.2

    play(scene)


def test_a_hanging_operation_goes_on_when_the_fault_ends() -> None:
    """Until then nothing comes back, and nothing arrives."""

    async def scene(world: World) -> None:
        await world.disturb("hanging")
        waiting = asyncio.ensure_future(world.ask(signed("eu-west-1", "dynamodb")))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert (done, world.regions["eu-west-1"].seen) == (set(), [])
        await world.apply()
        assert await waiting == (200, b"eu-west-1")

    play(scene)


def test_losing_a_region_ends_what_is_under_way_at_once() -> None:
    """Who waits for an answer sees the connection reset instead of waiting for ever; the other region goes on."""

    async def scene(world: World) -> None:
        there, elsewhere = (
            asyncio.ensure_future(world.ask(signed(region, "sqs", "POST /stuck"))) for region in world.regions
        )
        while not all(region.seen for region in world.regions.values()):
            await asyncio.sleep(0.01)
        await world.apply(lost=frozenset({"us-east-1"}))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await there
        assert not elsewhere.done()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await world.ask(signed("us-east-1", "sqs"))
        await world.apply()
        assert await world.ask(signed("us-east-1", "sqs")) == (200, b"us-east-1")
        elsewhere.cancel()

    play(scene)


def test_a_partition_cuts_functions_of_one_region_off_the_other() -> None:
    """Each side goes on to reach its own region; from outside both are reached."""

    async def scene(world: World) -> None:
        await world.apply(partitions=frozenset({frozenset(world.regions)}))
        for port, here in world.origins.items():
            for there in world.regions:
                if here == there:
                    assert (await world.ask(signed(there, "sqs"), port))[0] == 200
                else:
                    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                        await world.ask(signed(there, "sqs"), port)
                assert (await world.ask(signed(there, "sqs")))[0] == 200

    play(scene)


def test_the_control_api_is_somebody_elses() -> None:
    """What is asked of it is passed on, whichever regions are lost."""

    async def scene(world: World) -> None:
        control = world.regions["eu-west-1"].port
        await world.apply(control_port=control, lost=frozenset(world.regions))
        assert await world.ask(b"GET /_resilience/faults HTTP/1.1\r\n\r\n") == (200, b"eu-west-1")

    play(scene)


def test_a_table_survives_the_way_to_the_routers_process() -> None:
    """As JSON and back it is the same."""
    table = Table(
        home="us-east-1",
        regions={"us-east-1": 1, "eu-west-1": 2},
        origins={3: "us-east-1"},
        lost=frozenset({"eu-west-1"}),
        stopped=(4,),
        partitions=frozenset({frozenset({"us-east-1", "eu-west-1"})}),
        disturbances={"operation-1": OperationFault(region="eu-west-1", service="sqs", mode="slow", by=0.5)},
        inner_port=6,
        control_port=5,
    )

    assert Table.from_json(table.as_json()) == table
