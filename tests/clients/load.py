"""The load that `make bench` puts on a server: runs of activities one after another, each a small number in and out.

`load.py worker ADDRESS temporal|sandglass` serves them until it is killed: at ours the activity, at Temporal's server the workflow too.
`load.py client ADDRESS RUNS IN_FLIGHT ACTIVITIES` starts runs, waits for each result, and prints how long that took as JSON.
"""
import asyncio, json, os, sys, time, uuid
from datetime import timedelta
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

QUEUE = 'load'

@activity.defn(name='Echo')
async def echo(value: int) -> int: return value

@workflow.defn(name='sequence')
class Sequence:
    @workflow.run
    async def run(self, count: int) -> int:
        last = 0
        for value in range(1, count + 1): last = await workflow.execute_activity(echo, value, start_to_close_timeout=timedelta(seconds=60))
        return last

async def connect(address):
    """A client, when the server has its namespace: Temporal's development server listens before."""
    runtime = Runtime(telemetry=TelemetryConfig(logging=None))
    for attempt in range(600):
        try:
            client = await Client.connect(address, runtime=runtime)
            await client.count_workflows()
            return client
        except (RPCError, RuntimeError) as error: failed = error
        await asyncio.sleep(0.1)
    raise failed

async def serve(client, sort):
    workflows = [Sequence] if sort == 'temporal' else []
    await Worker(client, task_queue=QUEUE, workflows=workflows, activities=[echo], workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_activities=200, max_concurrent_activity_task_polls=10, **(dict(max_concurrent_workflow_tasks=200, max_concurrent_workflow_task_polls=10) if workflows else {})).run()

async def load(client, runs, in_flight, activities):
    numbers, latencies, name = iter(range(runs)), [], uuid.uuid4().hex
    async def one():
        for number in numbers:
            begun = time.perf_counter()
            found = await client.execute_workflow('sequence', activities, id=f'{name}-{number}', task_queue=QUEUE)
            latencies.append(time.perf_counter() - begun)
            assert found == activities, found
    begun = time.perf_counter()
    await asyncio.gather(*[one() for _ in range(in_flight)])
    wall = time.perf_counter() - begun
    latencies.sort()
    at = lambda share: latencies[min(int(len(latencies) * share), len(latencies) - 1)] * 1e3
    print(json.dumps(dict(runs_per_s=runs / wall, activities_per_s=runs * activities / wall, p50_ms=at(.5), p99_ms=at(.99))))

async def main(what, address, *rest):
    client = await connect(address)
    if what == 'worker': await serve(client, *rest)
    else: await load(client, *map(int, rest))

if __name__ == '__main__':
    asyncio.run(main(*sys.argv[1:]))
    # The SDK's own threads may outlive the interpreter, which that does not survive in order.
    sys.stdout.flush()
    os._exit(0)
