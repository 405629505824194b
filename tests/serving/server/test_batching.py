"""Rows of requests that arrive together are answered together, each request with its own."""

import asyncio

import pytest

from mmkeras.serving.server.batching import Batcher, Busy
from mmkeras.serving.server.bodies import BadRequest, whole_body
from mmkeras.serving.server.limits import Limits


def run(work, answer, **limits):
    """What `work(batcher)` gives."""

    async def main():
        batcher = Batcher(answer, Limits(**limits))
        batcher.start()
        try:
            return await asyncio.wait_for(work(batcher), 20)
        finally:
            await batcher.stop()

    return asyncio.run(main())


def doubled(requests):
    return [[{"double": 2 * row["x"]} for row in rows] for rows in requests]


def test_requests_are_put_together_and_split_again():
    batches = []

    def answer(requests):
        batches.append([len(rows) for rows in requests])
        return doubled(requests)

    async def work(batcher):
        requests = [[{"x": 10 * n + row} for row in range(1 + n % 3)] for n in range(8)]
        answers = await asyncio.gather(*map(batcher.answers, requests))
        assert batcher.waiting == 0 and batcher.answered == sum(map(len, requests))
        return requests, answers

    requests, answers = run(work, answer, wait=0.2, batch_rows=100)
    assert answers == doubled(requests)
    assert batches == [[1, 2, 3, 1, 2, 3, 1, 2]]


def test_a_request_of_many_rows_is_cut_and_a_full_queue_is_said():
    async def work(batcher):
        answers = await batcher.answers([{"x": number} for number in range(9)])
        with pytest.raises(Busy):
            await batcher.answers([{"x": 0}] * 11)
        return answers

    answers = run(work, doubled, wait=0.0, batch_rows=4, waiting_rows=10)
    assert [answer["double"] for answer in answers] == list(range(0, 18, 2))


def test_a_mistake_fails_its_own_batch_alone():
    calls = []

    def answer(requests):
        calls.append(requests)
        if len(calls) == 1:
            raise KeyError("a mistake in the code")
        return doubled(requests)

    async def work(batcher):
        with pytest.raises(KeyError):
            await batcher.answers([{"x": 1}])
        return await batcher.answers([{"x": 2}])

    assert run(work, answer) == [{"double": 4}]


def test_a_body_that_never_ends_is_given_up():
    async def pieces(size, pause):
        while True:
            await asyncio.sleep(pause)
            yield b" " * size

    for size, pause, status in ((1, 0.02, 408), (1000, 0.0, 413)):
        limits = Limits(body_bytes=5000, body_seconds=0.1)
        with pytest.raises(BadRequest) as raised:
            asyncio.run(whole_body(pieces(size, pause), limits))
        assert raised.value.status == status


def test_limits_without_effect_are_refused():
    with pytest.raises(ValueError, match="`rows` must be above 0"):
        Limits(rows=0)
    with pytest.raises(ValueError, match="`wait` must not be negative"):
        Limits(wait=-1)
