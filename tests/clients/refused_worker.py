"""A worker that the server gives nothing: what it ends with. It takes a minute: the SDK tries for that long.

Arguments: the server's address, and an API key if it has one. With a key it registers an activity, without one a workflow.
"""
import asyncio, os, sys
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

@workflow.defn
class Mine:
    @workflow.run
    async def run(self): return 1

@activity.defn
async def work(): return 1

async def main(address, *key):
    known = dict(api_key=key[0], tls=False) if key else {}
    client = await Client.connect(address, runtime=Runtime(telemetry=TelemetryConfig(logging=None)), **known)
    serves = dict(activities=[work]) if key else dict(workflows=[Mine], workflow_runner=UnsandboxedWorkflowRunner())
    try: await Worker(client, task_queue='mine', **serves).run()
    except RuntimeError as e: print(e, '|', e.__cause__)

if __name__ == '__main__':
    asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 180))
    sys.stdout.flush()
    os._exit(0)
