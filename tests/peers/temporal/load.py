"""`load.py FOLDER WORKLOAD`: one workload at Temporal's development server with one worker in Python; prints figures as JSON.

`load.py worker ADDRESS` is the worker. The server keeps a SQLite file in the mode that suits it best.
"""
import asyncio, json, sys, uuid
from datetime import timedelta
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from measure import *
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

QUEUE = 'load'
IN_FLIGHT, RUNS, ACTIVITIES = 64, 100, 10
LONE = 50
LIMIT = timedelta(seconds=300)

@activity.defn(name='Echo')
async def echo(value: int) -> int: return value

@workflow.defn(name='sequence')
class Sequence:
    @workflow.run
    async def run(self, count: int) -> int:
        last = 0
        for value in range(1, count + 1): last = await workflow.execute_activity(echo, value, start_to_close_timeout=LIMIT)
        return last

@workflow.defn(name='parallel')
class Parallel:
    @workflow.run
    async def run(self, count: int) -> int:
        calls = [workflow.execute_activity(echo, value, start_to_close_timeout=LIMIT) for value in range(count)]
        return len(await asyncio.gather(*calls))

async def connect(address):
    """A client, when the server has its namespace: it listens before."""
    for attempt in range(600):
        try:
            client = await Client.connect(address)
            await client.count_workflows()
            return client
        except (RPCError, RuntimeError) as error: failed = error
        await asyncio.sleep(0.1)
    raise failed

async def serve(address):
    await Worker(await connect(address), task_queue=QUEUE, workflows=[Sequence, Parallel], activities=[echo],
        workflow_runner=UnsandboxedWorkflowRunner(), max_concurrent_activities=1000, max_concurrent_activity_task_polls=10,
        max_concurrent_workflow_tasks=1000, max_concurrent_workflow_task_polls=10).run()

class Temporal:
    async def begin(self, processes):
        port = free_port()
        address = f'127.0.0.1:{port}'
        options = ['--headless', '--log-level', 'error', '--ip', '127.0.0.1', '--port', str(port),
            '--db-filename', f'{processes.data}/temporal.db', '--sqlite-pragma', 'journal_mode=WAL']
        environment = dict(TEMPORAL_VERSION_CHECK_DISABLED='1', HOME=processes.data)
        self.server = processes.start('server', ['temporal', 'server', 'start-dev', *options], environment)
        wait_for('the server listens', lambda: socket.create_connection(('127.0.0.1', port)).close() is None)
        self.worker = processes.start('worker', [sys.executable, __file__, 'worker', address])
        self.client = await connect(address)
        # The first runs wait for the worker.
        await self.call('sequence', 1, 1, 1)
        return self

    async def call(self, name, argument, runs, count):
        numbers, latencies = iter(range(runs)), []
        async def one():
            for _ in numbers:
                begun = time.perf_counter()
                await self.client.execute_workflow(name, argument, id=uuid.uuid4().hex, task_queue=QUEUE)
                latencies.append(time.perf_counter() - begun)
        await asyncio.gather(*[one() for _ in range(count)])
        return latencies

    async def w1(self):
        await self.call('sequence', 1, 20, 1)
        return dict(w1_latency_us=percentile(await self.call('sequence', 1, LONE, 1), 0.5) * 1e6)

    async def w2(self):
        await self.call('sequence', ACTIVITIES, 20, IN_FLIGHT)
        with Window(self.server.pid, self.worker.pid) as window: await self.call('sequence', ACTIVITIES, RUNS, IN_FLIGHT)
        return w2_figures(window, RUNS * ACTIVITIES)

    async def w3(self):
        await self.call('parallel', 20, 1, 1)
        return dict(w3_activities_per_s=1000 / percentile(await self.call('parallel', 1000, 3, 1), 0.5))

async def main(folder, workload):
    with Processes(folder) as processes:
        temporal = await Temporal().begin(processes)
        print(json.dumps(await getattr(temporal, workload)()))

if __name__ == '__main__':
    asyncio.run(serve(sys.argv[2]) if sys.argv[1] == 'worker' else main(*sys.argv[1:]))
    # The SDK's own threads may outlive the interpreter, which that does not survive in order.
    sys.stdout.flush()
    os._exit(0)
