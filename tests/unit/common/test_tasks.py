import asyncio

from services.common.tasks import end_tasks


async def test_a_task_that_takes_a_cancellation_for_its_own_ends_all_the_same():
    seen = []

    async def stubborn():
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                seen.append("cancelled")
                if len(seen) > 1:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await asyncio.wait_for(end_tasks(task), 10)
    assert task.cancelled()
    assert len(seen) == 2


async def test_a_task_that_failed_is_left_to_who_watches_it():
    async def failing():
        raise ValueError("told elsewhere")

    task = asyncio.create_task(failing())
    await asyncio.sleep(0)
    await end_tasks(task)
    assert isinstance(task.exception(), ValueError)
