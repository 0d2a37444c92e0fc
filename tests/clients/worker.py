"""What Temporal's Python worker sees of a Sandglass server: one line for each check.

Arguments: the server's address. The component of tests/guests/scenarios serves the task queue `scenarios`; this
process serves its activities. With `crash` as a second argument: a worker that is to be killed during an attempt.
"""
import asyncio, os, sys, time
from datetime import timedelta
from temporalio import activity
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, ListWorkersRequest
from temporalio.client import AsyncActivityCancelledError, Client
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import Worker
from client import QUEUE, say, tried, types

class State:
    """How activities behave, and what they saw."""
    work, begun, seen, times, token = 'beat', asyncio.Event(), [], [], None

async def beat_until_canceled():
    State.begun.set()
    while True:
        activity.heartbeat('d')
        await asyncio.sleep(.2)

@activity.defn(name='Work')
async def work() -> int:
    info = activity.info()
    State.seen.append(f'{info.activity_type} {info.activity_id} {info.attempt} {info.workflow_type} {info.task_queue} '
        f'{info.heartbeat_timeout} {info.start_to_close_timeout} {info.schedule_to_close_timeout}')
    State.times.append(time.monotonic())
    if State.work == 'quick': return 3
    if State.work == 'fail': raise ApplicationError('no good', 'why', type='Bad', non_retryable=True)
    if State.work == 'elsewhere':
        State.token = info.task_token
        State.begun.set()
        activity.raise_complete_async()
    await beat_until_canceled()

@activity.defn(name='Swallow')
async def swallow() -> int:
    try: await beat_until_canceled()
    except (CancelledError, asyncio.CancelledError): return 7

@activity.defn(name='A')
async def silent() -> None:
    """Never heartbeats."""
    State.begun.set()
    await asyncio.sleep(60)

@activity.defn(name='Resume')
async def resume() -> int:
    if activity.info().attempt > 1: return activity.info().heartbeat_details[0]
    activity.heartbeat(3)
    await asyncio.sleep(60)

@activity.defn(name='Soon')
async def soon() -> int: return 5

ACTIVITIES = [work, swallow, silent, resume, soon]

class Checks:
    def __init__(self, client): self.c, self.s = client, client.workflow_service
    def worker(self, **options):
        return Worker(self.c, task_queue=QUEUE, activities=ACTIVITIES, max_heartbeat_throttle_interval=timedelta(milliseconds=200),
            default_heartbeat_throttle_interval=timedelta(milliseconds=200), **options)
    async def start(self, kind, id):
        State.begun.clear()
        return await self.c.start_workflow(kind, id=id, task_queue=QUEUE)
    async def canceled(self, kind, id):
        h = await self.start(kind, id)
        await State.begun.wait()
        await h.cancel()
        result = await tried(h.result())
        return f'{result}: {types((await h.fetch_history()).events)}'

    async def ends(self):
        async with self.worker():
            State.work = 'quick'
            h = await self.start('a08', 'quick')
            say('result', await tried(h.result()))
            say('the activity knows', State.seen[-1])
            say('history', types((await h.fetch_history()).events))
            State.work = 'fail'
            h = await self.start('a08', 'fail')
            say('failed', await tried(h.result()))
            failure = (await h.fetch_history()).events[-5].activity_task_failed_event_attributes.failure
            say('its details', f'{failure.application_failure_info.details.payloads[0].data} {"Traceback" in failure.stack_trace or "worker.py" in failure.stack_trace}')
            State.work = 'elsewhere'
            h = await self.start('a08', 'elsewhere')
            await State.begun.wait()
            handle = self.c.get_async_activity_handle(task_token=State.token)
            await handle.heartbeat('x')
            say('pending', [(a.activity_type.name, a.attempt, a.maximum_attempts, a.heartbeat_details.payloads[0].data) for a in (await h.describe()).raw_description.pending_activities])
            await handle.complete(9)
            say('by token', await tried(h.result()))
            say('by token again', await tried(handle.complete(9)))
            h = await self.start('a08', 'elsewhere-2')
            await State.begun.wait()
            id = (await h.describe()).raw_description.pending_activities[0].activity_id
            handle = self.c.get_async_activity_handle(workflow_id='elsewhere-2', run_id=None, activity_id=id)
            say('canceled too early', await tried(handle.report_cancellation()))
            await h.cancel()
            try: await handle.heartbeat(); say('heartbeat', 'goes on')
            except AsyncActivityCancelledError: say('heartbeat', 'canceled')
            await handle.report_cancellation('d')
            say('by id', await tried(h.result()))

    async def cancel(self):
        async with self.worker():
            State.work = 'beat'
            say('heartbeats', await self.canceled('a08', 'beats'))
            say('returns', await self.canceled('a09', 'returns'))
            # Its run waits for it, and only a push tells it.
            say('silent', await self.canceled('a21', 'silent'))

    async def crash(self):
        h = await self.start('a27', 'crash')
        other = await asyncio.create_subprocess_exec(sys.executable, __file__, sys.argv[1], 'crash')
        details = lambda run: [a for a in run.raw_description.pending_activities if a.heartbeat_details.payloads]
        while not details(await h.describe()): await asyncio.sleep(.05)
        other.kill()
        await other.wait()
        async with self.worker():
            say('another worker goes on', await tried(h.result()))

    async def shutdown(self):
        worker = self.worker(identity='going')
        running = asyncio.create_task(worker.run())
        queue = lambda: self.s.describe_task_queue(DescribeTaskQueueRequest(namespace='default', task_queue=TaskQueue(name=QUEUE), task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY))
        while 'going' not in [p.identity for p in (await queue()).pollers]: await asyncio.sleep(.05)
        while not (workers := [w for w in (await self.s.list_workers(ListWorkersRequest(namespace='default'))).workers if w.worker_identity == 'going']): await asyncio.sleep(.05)
        say('worker', [(w.task_queue, w.sdk_name) for w in workers])
        # Its polls would wait for 55 s.
        await asyncio.wait_for(worker.shutdown(), 10)
        await running
        State.work = 'quick'
        h = await self.start('a08', 'waits')
        while not (await h.describe()).raw_description.pending_activities: await asyncio.sleep(.05)
        say('backlog', (await queue()).stats.approximate_backlog_count)
        async with self.worker():
            say('the next worker has it', await asyncio.wait_for(tried(h.result()), 10))

    def polls(self): return self.s.describe_task_queue(DescribeTaskQueueRequest(namespace='default', task_queue=TaskQueue(name=QUEUE), task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY))
    async def timed_out(self, id):
        h = await self.start('soon', id)
        result = await tried(h.result())
        return f'{result}: {types((await h.fetch_history()).events)}'
    async def nobody(self):
        """An activity that no worker begins in time."""
        say('no worker', await self.timed_out('nobody'))
        other = await asyncio.create_subprocess_exec(sys.executable, __file__, sys.argv[1], 'idle')
        while 'idle' not in [p.identity for p in (await self.polls()).pollers]: await asyncio.sleep(.05)
        # With its polls open, which must get nothing.
        other.kill()
        await other.wait()
        say('a worker that vanished', await self.timed_out('vanished'))
        async with self.worker(): say('a worker', await self.timed_out('served'))

    async def rate(self):
        """No more than four in a second."""
        State.work, many = 'quick', 14
        State.times.clear()
        slow = dict(max_task_queue_activities_per_second=4)
        async with self.worker(**slow):
            handles = [await self.start('a08', f'rate-{i}') for i in range(many)]
            say('all done', [await h.result() for h in handles] == [3] * many)
        at = sorted(State.times)
        # What had gathered before the first may come with it.
        say('in time', (len(at), at[-1] - at[0] >= (many - 2) / 4 - .3))

async def main(address, *parts):
    client = await Client.connect(address, runtime=Runtime(telemetry=TelemetryConfig(logging=None), worker_heartbeat_interval=timedelta(seconds=1)))
    checks = Checks(client)
    if parts == ('crash',):
        async with checks.worker(): await asyncio.sleep(60)
    if parts == ('idle',):
        async with checks.worker(identity='idle'): await asyncio.sleep(60)
    for part in parts or ('ends', 'cancel', 'crash', 'shutdown', 'nobody', 'rate'):
        say('#', part)
        await getattr(checks, part)()

if __name__ == '__main__':
    asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 120))
    # The SDK's own threads may outlive the interpreter, which that does not survive in order.
    sys.stdout.flush()
    os._exit(0)
