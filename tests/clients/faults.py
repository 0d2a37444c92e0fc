"""A client and a worker whose server is killed while they are at it: what is left of their runs.

Arguments: the server's address. Says on a line of its own when it is time to kill the server.
"""
import asyncio, os, sys
from collections import Counter
from temporalio import activity
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError
from temporalio.worker import Worker
from client import QUEUE, say, types

RUNS = 200

@activity.defn(name='Resume')
async def resume() -> int:
    await asyncio.sleep(.05)
    return 3

async def again(call, *known):
    """Until the server is there to answer it. Everything that is asked may be asked twice."""
    while True:
        try: return await call()
        except known: return None
        except RPCError: await asyncio.sleep(.1)

async def main(address):
    client = await Client.connect(address, runtime=Runtime(telemetry=TelemetryConfig(logging=None)))
    closed = 0
    async def one(i):
        nonlocal closed
        id = f'fault-{i}'
        await again(lambda: client.start_workflow('a27', id=id, task_queue=QUEUE), WorkflowAlreadyStartedError)
        handle = client.get_workflow_handle(id)
        async def result():
            try: return await handle.result()
            except WorkflowFailureError as e: return repr(e.cause)
        found = await again(result)
        closed += 1
        if closed == RUNS // 4: print('now', flush=True)
        return found, types((await again(handle.fetch_history)).events)
    async with Worker(client, task_queue=QUEUE, activities=[resume], max_concurrent_activities=20):
        pause = asyncio.Semaphore(50)
        async def paced(i):
            async with pause: return await one(i)
        found = await asyncio.gather(*[paced(i) for i in range(RUNS)])
    for (result, history), count in Counter(found).items(): say(f'{count} runs', f'{result}: {history}')
    count = await client.count_workflows("WorkflowId STARTS_WITH 'fault-' GROUP BY ExecutionStatus")
    say('count', [(g.group_values[0], g.count) for g in count.groups])

if __name__ == '__main__':
    asyncio.run(asyncio.wait_for(main(sys.argv[1]), 120))
    # The SDK's own threads may outlive the interpreter, which that does not survive in order.
    sys.stdout.flush()
    os._exit(0)
