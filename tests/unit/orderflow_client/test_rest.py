"""Questions over REST: repeated where that is safe."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from orderflow_client.addresses import addresses
from orderflow_client.credentials import Credentials
from orderflow_client.errors import (
    ClientClosedError,
    ConflictError,
    DefectError,
    DisconnectedError,
    LimitReachedError,
    OrderflowError,
    ProtocolError,
    RefusedError,
    UnauthorizedError,
    UnknownOutcomeError,
)
from orderflow_client.rest import Rest
from orderflow_client.tries import Effect
from tests.fakes.engine_server import FakeEngine, RestRefusal
from tests.unit.orderflow_client.conftest import QUICK

LATER = (429, {"code": "RATE_LIMITED", "message": "later"}, {"Retry-After": "0"})


def ask(
    story: Callable[[FakeEngine, Rest], Awaitable[None]], *, time_limit_s: float = 5, body_max: int = 10_000
) -> None:
    async def whole() -> None:
        async with FakeEngine() as engine:
            where = addresses(engine.url, engine.rest_url)
            limits = replace(QUICK, time_limit_s=time_limit_s, body_bytes_max=body_max)
            rest = Rest(where, Credentials("token", where), limits)
            try:
                await story(engine, rest)
            finally:
                await rest.close()

    asyncio.run(whole())


@pytest.mark.parametrize("fault", [LATER, (502, {"message": "Bad gateway"}, {}), (0, {}, {})])
def test_fault_that_passes_does_not_show(fault: tuple[int, dict[str, str], dict[str, str]]) -> None:
    async def story(engine: FakeEngine, rest: Rest) -> None:
        engine.rest_refusals.extend([fault, fault])
        assert (await rest.ask("GET", "/markets"))["markets"]
        assert len(engine.requests) == 3

    ask(story)


@pytest.mark.parametrize("fault", [(502, {"message": "Bad gateway"}, {}), (0, {}, {})])
def test_unknown_outcome_of_what_must_not_happen_twice_is_told(
    fault: tuple[int, dict[str, str], dict[str, str]],
) -> None:
    async def story(engine: FakeEngine, rest: Rest) -> None:
        engine.rest_refusals.append(fault)
        with pytest.raises(UnknownOutcomeError):
            await rest.ask("PATCH", "/orders/x", effect=Effect.ANOTHER)
        assert len(engine.requests) == 1

    ask(story)


@pytest.mark.parametrize(
    "refusal",
    [
        (401, {"code": "UNAUTHORIZED", "message": "expired"}, {}),
        (429, {"code": "RATE_LIMITED", "message": "later"}, {"Retry-After": "60"}),
        (409, {"code": "ORDER_ALREADY_SENT", "message": "it may land"}, {}),
    ],
)
def test_refusal_after_a_lost_answer_leaves_the_outcome_of_a_change_unknown_and_not_of_a_read(
    refusal: tuple[int, dict[str, str], dict[str, str]],
) -> None:
    async def story(engine: FakeEngine, rest: Rest) -> None:
        engine.rest_refusals.extend([(0, {}, {}), refusal] * 2)
        with pytest.raises(UnknownOutcomeError) as caught:
            await rest.ask("PATCH", "/orders/x", effect=Effect.SAME)
        assert isinstance(caught.value.__cause__, RefusedError)
        assert caught.value.__cause__.code == refusal[1]["code"]
        with pytest.raises(RefusedError):
            await rest.ask("GET", "/orders/x")

    ask(story)


def test_engine_that_goes_away_after_a_lost_answer_leaves_the_outcome_unknown() -> None:
    async def story(engine: FakeEngine, rest: Rest) -> None:
        engine.rest_refusals.append((0, {}, {}))
        asking = asyncio.create_task(rest.ask("DELETE", "/orders/x", effect=Effect.SAME))
        await engine.until(lambda: bool(engine.requests))
        await engine.stop_rest()
        with pytest.raises(UnknownOutcomeError) as caught:
            await asking
        assert isinstance(caught.value.__cause__, DisconnectedError)

    ask(story, time_limit_s=0.6)


def test_fault_that_does_not_pass_in_time_is_told() -> None:
    async def story(engine: FakeEngine, rest: Rest) -> None:
        engine.rest_refusals.extend([LATER] * 99)
        with pytest.raises(LimitReachedError):
            await rest.ask("GET", "/markets")

    ask(story, time_limit_s=0.3)


def test_wait_that_the_engine_asks_for_is_not_begun_if_it_is_longer_than_the_time_limit() -> None:
    async def story(engine: FakeEngine, rest: Rest) -> None:
        engine.rest_refusals.append(
            (429, {"code": "RATE_LIMITED", "message": "later"}, {"Retry-After": "60"})
        )
        with pytest.raises(LimitReachedError) as caught:
            await rest.ask("GET", "/markets")
        assert caught.value.retry_after_s == 60

    ask(story)


def test_answer_that_is_too_large_or_no_object_is_refused() -> None:
    async def story(engine: FakeEngine, rest: Rest) -> None:
        engine.rest_refusals.append((200, {"a": "x" * 20_000}, {}))
        with pytest.raises(ProtocolError, match="larger"):
            await rest.ask("GET", "/markets")
        engine.rest_refusals.append((200, [], {}))  # type: ignore[arg-type]  # what an engine must not say
        with pytest.raises(ProtocolError, match="no JSON object"):
            await rest.ask("GET", "/markets")

    ask(story)


def test_engine_that_says_nothing_is_told_of_by_what_was_waited_for() -> None:
    async def story() -> None:
        is_left = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            is_left.set()

        async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
            where = addresses(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            rest = Rest(where, Credentials(None, where), replace(QUICK, answer_s=0.05))
            try:
                for _ in range(50):
                    with suppress(DisconnectedError):  # as of a machine too busy to connect in time
                        await rest.ask("PATCH", "/orders/x", effect=Effect.ANOTHER)
            finally:
                await rest.close()
                await is_left.wait()

    with pytest.raises(UnknownOutcomeError, match="ReadTimeout"):
        asyncio.run(story())


def test_requests_under_way_end_with_the_client_and_leave_no_connection() -> None:
    """One that may have been done ends as unknown, one that only asks as closed."""

    async def story() -> None:
        asked, left = asyncio.Semaphore(0), asyncio.Semaphore(0)

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            asked.release()
            await reader.read()
            writer.close()
            left.release()

        async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
            where = addresses(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            limits = replace(QUICK, answer_s=3_600, time_limit_s=3_600)
            rest = Rest(where, Credentials(None, where), limits)
            changing = asyncio.create_task(rest.ask("PATCH", "/orders/x", effect=Effect.ANOTHER))
            asking = asyncio.create_task(rest.ask("GET", "/markets"))
            for _ in range(2):
                await asked.acquire()
            connecting = [asyncio.create_task(rest.ask("GET", "/markets")) for _ in range(5)]
            await asyncio.sleep(0)
            await asyncio.gather(rest.close(), rest.close())
            for _ in range(2):
                await left.acquire()
            with pytest.raises(UnknownOutcomeError, match="closed before an answer came"):
                await changing
            ends = await asyncio.gather(asking, *connecting, return_exceptions=True)
            assert all(isinstance(end, ClientClosedError) for end in ends)

    asyncio.run(story())


def test_many_requests_that_are_given_up_together_leave_room_for_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(engine: FakeEngine, rest: Rest) -> None:
        answer, is_back = engine._answer, asyncio.Event()

        async def after_a_silence(method: str, target: str, body: object) -> tuple[int, dict[str, object]]:
            await is_back.wait()
            return await answer(method, target, body)

        monkeypatch.setattr(engine, "_answer", after_a_silence)
        for _ in range(10):
            asked = len(engine.requests)
            asking = [asyncio.create_task(rest.ask("GET", "/markets")) for _ in range(40)]
            await engine.until(lambda asked=asked: len(engine.requests) >= asked + 10)  # type: ignore[misc]
            for each in asking[:10]:
                each.cancel()
            for each in asking[10:]:
                await asyncio.sleep(0)
                each.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        is_back.set()
        assert (await rest.ask("GET", "/markets"))["markets"]

    ask(story)


def test_engine_that_is_not_there_is_not_reached() -> None:
    async def story() -> None:
        where = addresses("http://127.0.0.1:9")
        rest = Rest(where, Credentials(None, where), replace(QUICK, time_limit_s=0.3))
        with pytest.raises(DisconnectedError):
            await rest.ask("GET", "/health")
        await rest.close()

    asyncio.run(story())


def test_answer_that_comes_drop_by_drop_is_given_up_at_the_time_limit() -> None:
    async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
            for _ in range(100):
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def story() -> None:
        async with await asyncio.start_server(drips, "127.0.0.1", 0) as server:
            where = addresses(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            rest = Rest(where, Credentials(None, where), replace(QUICK, time_limit_s=0.1))
            with pytest.raises(UnknownOutcomeError, match=r"no answer came within 0\.1 s"):
                await rest.ask("GET", "/markets")
            await rest.close()

    asyncio.run(story())


def test_proxy_that_makes_no_way_to_the_engine_was_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def story() -> None:
        async with await asyncio.start_server(refuses, "127.0.0.1", 0) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
            where = addresses("https://engine.invalid")
            rest = Rest(where, Credentials("token", where), replace(QUICK, time_limit_s=0.3))
            with pytest.raises(DisconnectedError, match="407"):
                await rest.ask("PATCH", "/orders/x", effect=Effect.ANOTHER)
            await rest.close()

    asyncio.run(story())


def test_redirection_is_not_followed_and_names_where_it_leads() -> None:
    async def story(engine: FakeEngine, rest: Rest) -> None:
        async with FakeEngine() as other:
            engine.rest_refusals.append((308, {}, {"Location": f"{other.rest_url}/markets"}))
            with pytest.raises(RefusedError, match=other.rest_url):
                await rest.ask("GET", "/markets")
            assert other.requests == []

    ask(story)


def test_pause_is_made_before_each_further_try() -> None:
    async def story(engine: FakeEngine, rest: Rest) -> None:
        engine.rest_refusals.extend([LATER] * 99)
        with pytest.raises(LimitReachedError):
            await rest.ask("GET", "/markets")
        assert 2 <= len(engine.requests) <= 6, "pauses are of 50, 100 and 200 ms at least"

    ask(story, time_limit_s=0.6)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((200, b"<h1>Sign in</h1>", {}), ProtocolError),
        ((200, b"[" * 100_000, {}), ProtocolError),
        ((403, b"<h1>Forbidden</h1>", {}), UnauthorizedError),
        ((404, b"<h1>Not found</h1>", {}), RefusedError),
        ((409, {"message": "no code"}, {}), ConflictError),
        ((500, {"code": "INTERNAL_ERROR", "message": "ours"}, {}), DefectError),
        ((500, b"<h1>Internal server error</h1>", {}), UnknownOutcomeError),
        ((503, b"", {}), UnknownOutcomeError),
    ],
)
def test_answer_of_a_gateway_is_told_as_what_its_status_says(
    answer: RestRefusal, kind: type[OrderflowError]
) -> None:
    async def story(engine: FakeEngine, rest: Rest) -> None:
        engine.rest_refusals.append(answer)
        with pytest.raises(kind) as caught:
            await rest.ask("PATCH", "/orders/x", effect=Effect.ANOTHER, answers=frozenset({503}))
        assert type(caught.value) is kind
        assert len(engine.requests) == 1

    ask(story, body_max=200_000)


def test_answer_of_as_many_bytes_as_are_taken_is_read() -> None:
    async def story(engine: FakeEngine, rest: Rest) -> None:
        engine.rest_refusals.append((200, b'{"markets": 1}'.ljust(100), {}))
        assert await rest.ask("GET", "/markets") == {"markets": 1}
        engine.rest_refusals.append((200, b'{"markets": 1}'.ljust(101), {}))
        with pytest.raises(ProtocolError, match="larger than 100 bytes"):
            await rest.ask("GET", "/markets")

    ask(story, body_max=100)


def test_requests_beyond_ten_wait_their_turn_and_were_not_sent_if_that_does_not_come() -> None:
    asked, ten = 0, asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        if asked == 10:
            ten.set()
        try:
            await reader.read()
        finally:
            writer.close()

    async def story() -> list[object]:
        async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
            where = addresses(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            limits = replace(QUICK, answer_s=60, time_limit_s=1)
            rest = Rest(where, Credentials(None, where), limits)
            all_asked = [
                asyncio.ensure_future(rest.ask("PATCH", "/orders/x", effect=Effect.ANOTHER))
                for _ in range(50)
            ]
            await ten.wait()
            await asyncio.sleep(0.1)
            assert asked == 10
            told: list[object] = list(await asyncio.gather(*all_asked, return_exceptions=True))
            await rest.close()
            return told

    told = asyncio.run(story())
    assert {type(each) for each in told} == {UnknownOutcomeError, DisconnectedError}
    assert any("other requests were not answered in time" in str(each) for each in told)
