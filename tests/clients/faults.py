"""Clients and workers whose server is killed again and again while they are at it: what is left of their runs.

Arguments: the server's address, how many runs, how many workers, how many kills. Says `now` on a line of its own when
it is time to kill the server. Everything that is asked for is asked again until it is answered, under the same id;
nothing is asked again that was.
"""
import asyncio, os, sys
from collections import Counter
from temporalio import activity
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution, WorkflowType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest
from temporalio.client import Client, WorkflowFailureError
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker
from client import QUEUE, say, types

NOTES = 5
seen = Counter()

@activity.defn(name='Resume')
async def resume() -> int:
    info = activity.info()
    seen[info.workflow_id, info.attempt] += 1
    await asyncio.sleep(.05)
    return 3

async def again(call):
    """Until the server is there to answer it. What it says it does not have, it has lost."""
    while True:
        try: return await call()
        except RPCError as e:
            if e.status == RPCStatusCode.NOT_FOUND: return 'lost'
            await asyncio.sleep(.1)

class Checks:
    def __init__(self, client, runs, kills): self.c, self.s, self.runs, self.kills, self.steps, self.killed = client, client.workflow_service, runs, kills, 0, 0
    def step(self):
        """Something was done; the kills are spread over all of it."""
        self.steps += 1
        if self.killed < self.kills and self.steps > (self.killed + 1) * self.runs // (self.kills + 1):
            self.killed += 1
            print('now', flush=True)
    async def start(self, kind, id):
        request = StartWorkflowExecutionRequest(namespace='default', workflow_id=id, workflow_type=WorkflowType(name=kind), task_queue=TaskQueue(name=QUEUE), request_id=id)
        await again(lambda: self.s.start_workflow_execution(request))
    async def result(self, id):
        handle = self.c.get_workflow_handle(id)
        async def result():
            try: return await handle.result()
            except WorkflowFailureError as e: return repr(e.cause)
        return await again(result), types((await again(handle.fetch_history)).events)
    async def works(self, i):
        """A run with an activity."""
        id = f'fault-{i}'
        await self.start('a27', id)
        found = await self.result(id)
        self.step()
        return found
    async def listens(self, i):
        """A run that keeps what it is told."""
        id = f'note-{i}'
        await self.start('holder', id)
        for note in [*map(str, range(NOTES)), 'end']:
            payload = Payload(metadata={'encoding': b'json/plain'}, data=f'"{note}"'.encode())
            request = SignalWorkflowExecutionRequest(namespace='default', workflow_execution=WorkflowExecution(workflow_id=id), signal_name='note',
                input=Payloads(payloads=[payload]), request_id=f'{id} {note}')
            await again(lambda: self.s.signal_workflow_execution(request))
            await asyncio.sleep(.02)
        result, history = await self.result(id)
        self.step()
        notes = await again(lambda: self.c.get_workflow_handle(id).query('notes'))
        return result, f'{history.count("workflow_execution_signaled")} signals {notes}'

async def main(address, runs, workers, kills):
    # Its log would go to stdout too.
    runtime = Runtime(telemetry=TelemetryConfig(logging=None))
    connect = lambda **options: Client.connect(address, runtime=runtime, **options)
    clients = [await connect(identity=f'worker-{i}') for i in range(workers)]
    checks = Checks(await connect(), runs, kills)
    polling = [Worker(c, task_queue=QUEUE, activities=[resume], max_concurrent_activities=5, max_concurrent_activity_task_polls=1) for c in clients]
    tasks = [asyncio.create_task(w.run()) for w in polling]
    found = await asyncio.gather(*[checks.listens(i) if i % 5 == 0 else checks.works(i) for i in range(runs)])
    for (result, what), count in sorted(Counter(found).items(), key=lambda f: str(f[0][0])): say(f'{count} runs', f'{result}: {what}')
    count = await checks.c.count_workflows("GROUP BY ExecutionStatus")
    say('count', [(g.group_values[0], g.count) for g in count.groups])
    # One attempt is made by one worker, whatever happens to the server.
    say('attempts made twice', sum(1 for n in seen.values() if n > 1))
    print(f'{sum(seen.values())} attempts of {len(seen)}', file=sys.stderr)
    await asyncio.gather(*[w.shutdown() for w in polling])

if __name__ == '__main__':
    asyncio.run(asyncio.wait_for(main(sys.argv[1], *map(int, sys.argv[2:])), 1500))
    # The SDK's own threads may outlive the interpreter, which that does not survive in order.
    sys.stdout.flush()
    os._exit(0)
