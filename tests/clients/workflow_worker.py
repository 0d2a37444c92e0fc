"""A worker that registers workflows: what it ends with. It takes a minute: the SDK tries for that long.

Arguments: the server's address.
"""
import asyncio, os, sys
from temporalio import workflow
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

@workflow.defn
class Mine:
    @workflow.run
    async def run(self): return 1

async def main(address):
    client = await Client.connect(address, runtime=Runtime(telemetry=TelemetryConfig(logging=None)))
    try: await Worker(client, task_queue='mine', workflows=[Mine], workflow_runner=UnsandboxedWorkflowRunner()).run()
    except RuntimeError as e: print(e, '|', e.__cause__)

if __name__ == '__main__':
    asyncio.run(asyncio.wait_for(main(sys.argv[1]), 180))
    sys.stdout.flush()
    os._exit(0)
