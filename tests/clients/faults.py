"""Clients and workers whose server is killed again and again while they are at it: what is left of their runs.

Arguments: the server's address, how many runs are open at each kill, how many workers poll, how many kills. Says `now` on a line of
its own when it is time to kill the server. Everything that is asked for is asked again until it is answered, under the same id;
nothing is asked again that was.
"""
import asyncio, os, sys
from collections import Counter
from temporalio import activity
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (DescribeTaskQueueRequest, RequestCancelWorkflowExecutionRequest, SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest)
from temporalio.client import Client, WorkflowFailureError
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker
from client import QUEUE, say, types

# Messages that are on their way at the same time: with more, this process has no time left for its attempts, which time out.
AT_ONCE = 50

class Attempts:
    """Those that the workers have made. Of each other run the activity is ended by its token, as if by somebody else."""
    def __init__(self): self.seen, self.taken, self.lost, self.ending = Counter(), {}, 0, []
    def begin(self, info):
        self.seen[info.workflow_id, info.attempt] += 1
        return int(info.workflow_id.split('-')[-1]) % 2
    async def end(self, client, token, id, result):
        if await again(lambda: client.get_async_activity_handle(task_token=token).complete(result)) is None: self.taken[id] = result
    def check(self, id, result):
        """Whether the run has gone on with a result that the server has taken."""
        self.lost += self.taken.get(id, result) != result

attempts = Attempts()

@activity.defn(name='Resume')
async def resume() -> int:
    info = activity.info()
    if attempts.begin(info):
        end = attempts.end(activity.client(), info.task_token, info.workflow_id, 100 + info.attempt)
        attempts.ending.append(asyncio.create_task(end))
        activity.raise_complete_async()
    await asyncio.sleep(.05)
    return 100 + info.attempt

async def again(call):
    """Until the server is there to answer it. What it says it does not have, it has lost."""
    while True:
        try: return await call()
        except RPCError as e:
            if e.status == RPCStatusCode.NOT_FOUND: return 'lost'
            await asyncio.sleep(.1)

class Checks:
    def __init__(self, client, runs, workers, kills):
        self.c, self.s, self.runs, self.workers, self.kills = client, client.workflow_service, runs, workers, kills
        self.fresh, self.steps, self.gaps, self.told, self.gate = max(runs // 10, 1), 0, 0, [], asyncio.Semaphore(AT_ONCE)
    def step(self):
        """Something was done. In the middle of all that a round does, the server is killed."""
        self.steps += 1
        if self.steps == (self.runs + self.fresh) // 2: print('now', flush=True)
    async def start(self, kind, id):
        request = StartWorkflowExecutionRequest(namespace='default', workflow_id=id, workflow_type=WorkflowType(name=kind), task_queue=TaskQueue(name=QUEUE), request_id=id)
        return await again(lambda: self.s.start_workflow_execution(request))
    async def ended(self, id, run_id):
        """How the run that was begun has ended, and the types of its events, of which each is there once."""
        handle = self.c.get_workflow_handle(id, run_id=run_id)
        async def result():
            try: return await handle.result()
            except WorkflowFailureError as e: return repr(e.cause)
        result, history = await again(result), await again(handle.fetch_history)
        self.gaps += [e.event_id for e in history.events] != [*range(1, len(history.events) + 1)]
        return result, types(history.events)
    async def works(self, i):
        """A run with an activity."""
        id = f'fault-{i}'
        run = await self.start('a27', id)
        result, history = await self.ended(id, run.run_id)
        attempts.check(id, result)
        self.step()
        return 'worked' if result in (101, 102) else result, history
    async def tells(self, i, round):
        async with self.gate: await self.tell(i, round)
        self.step()
    async def tell(self, i, round):
        """A message to a run that is open all the time: mostly a signal, for some an update."""
        id, name = f'note-{i}', f'{round}'
        if (i + round) % 5 == 0:
            update = lambda: self.c.get_workflow_handle(id).execute_update('quick', id=name)
            self.told[i][1].append(await again(update))
        else:
            payload = Payload(metadata={'encoding': b'json/plain'}, data=f'"{name}"'.encode())
            request = SignalWorkflowExecutionRequest(namespace='default', workflow_execution=WorkflowExecution(workflow_id=id), signal_name='note',
                input=Payloads(payloads=[payload]), request_id=f'{id} {name}')
            await again(lambda: self.s.signal_workflow_execution(request))
            self.told[i][0].append(name)
    async def ends(self, i, run):
        """What an open run has been told, each message once; then it is canceled."""
        id, (signals, updates) = f'note-{i}', self.told[i]
        notes = await again(lambda: self.c.get_workflow_handle(id).query('notes'))
        request = RequestCancelWorkflowExecutionRequest(namespace='default', workflow_execution=WorkflowExecution(workflow_id=id), request_id=id)
        await again(lambda: self.s.request_cancel_workflow_execution(request))
        result, history = await self.ended(id, run.run_id)
        words = Counter(history.split())
        found = [words[f'workflow_execution_{word}'] for word in ('signaled', 'update_accepted', 'update_completed', 'cancel_requested')]
        is_right = notes == signals and updates == ['u'] * len(updates) and found == [len(signals), len(updates), len(updates), 1]
        return result, 'all that it was told, once' if is_right else f'told {signals} and {updates}: {notes}, {history}'
    async def polled(self):
        """Until all workers poll this server, which knows of none that polled the one before."""
        request = DescribeTaskQueueRequest(namespace='default', task_queue=TaskQueue(name=QUEUE), task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
        while len({p.identity for p in (await again(lambda: self.s.describe_task_queue(request))).pollers}) < self.workers: await asyncio.sleep(.1)
    async def count(self, query): return await again(lambda: self.c.count_workflows(query))

async def main(address, runs, workers, kills):
    # Its log would go to stdout too.
    runtime = Runtime(telemetry=TelemetryConfig(logging=None))
    connect = lambda **options: Client.connect(address, runtime=runtime, **options)
    clients = [await connect(identity=f'worker-{i}') for i in range(workers)]
    checks = Checks(await connect(), runs, workers, kills)
    polling = [Worker(c, task_queue=QUEUE, activities=[resume], max_concurrent_activities=5, max_concurrent_activity_task_polls=1) for c in clients]
    tasks = [asyncio.create_task(w.run()) for w in polling]
    checks.told = [([], []) for _ in range(runs)]
    held = await asyncio.gather(*[checks.start('holder', f'note-{i}') for i in range(runs)])
    worked, open = [], []
    for round in range(kills):
        await checks.polled()
        open.append((await checks.count("ExecutionStatus = 'Running'")).count)
        checks.steps = 0
        fresh = [checks.works(round * checks.fresh + i) for i in range(checks.fresh)]
        both = await asyncio.gather(asyncio.gather(*fresh), asyncio.gather(*[checks.tells(i, round) for i in range(runs)]))
        worked += both[0]
    # Those of the last server too.
    await checks.polled()
    say('open at each kill, at least', min(open))
    for (result, what), count in sorted(Counter(worked).items(), key=str): say(f'{count} runs', f'{result}: {what}')
    found = await asyncio.gather(*[checks.ends(i, run) for i, run in enumerate(held)])
    for (result, what), count in sorted(Counter(found).items(), key=str): say(f'{count} runs', f'{result}: {what}')
    say('count', [(g.group_values[0], g.count) for g in (await checks.count('GROUP BY ExecutionStatus')).groups])
    # One attempt is made by one worker, whatever happens to the server.
    say('attempts made twice', sum(1 for n in attempts.seen.values() if n > 1))
    say('results taken and lost', attempts.lost)
    say('histories with gaps', checks.gaps)
    print(f'{sum(attempts.seen.values())} attempts of {len(worked)} activities, {len(attempts.taken)} ended by token', file=sys.stderr)
    await asyncio.gather(*[w.shutdown() for w in polling])

if __name__ == '__main__':
    asyncio.run(asyncio.wait_for(main(sys.argv[1], *map(int, sys.argv[2:])), 1500))
    # The SDK's own threads may outlive the interpreter, which that does not survive in order.
    sys.stdout.flush()
    os._exit(0)
