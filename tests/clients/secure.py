"""What Temporal's Python SDK sees of a server that asks who comes: one line for each check.

Arguments: the server's address, the folder with the certificates, and `key` or `certificate`: what the server asks for.
The component of tests/guests/scenarios serves the task queue `scenarios`; this process serves its activities.
"""
import asyncio, os, re, sys
from pathlib import Path
from temporalio import activity
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError, TLSConfig
from temporalio.worker import Worker
from client import QUEUE, say

runtime = Runtime(telemetry=TelemetryConfig(logging=None))

@activity.defn(name='Resume')
async def resume() -> int: return 3

def why(error):
    """What is clear in an error: what the server said, else what TLS did."""
    links, link = [], error
    while link is not None: links, link = links + [link], link.__cause__
    for e in links:
        if isinstance(e, RPCError): return f'{e.status.name}: {e.message}'
    text = ' <- '.join(map(str, links))
    said = re.search(r'code: (\w+|\'[^\']*\'), message: "((?:[^"\\]|\\.)*)"', text)
    broken = ['transport error', 'operation was canceled', 'h2 protocol error']
    if 'UnknownIssuer' in text: return 'UnknownIssuer'
    # Which of them depends on who is faster.
    if any(word in text for word in broken): return 'no connection'
    return f'{said[1]}: {said[2]}'.replace('\\"', '"') if said else text

async def tried(coro):
    try: return repr(await asyncio.wait_for(coro, 60))
    except Exception as e: return why(e)

class Checks:
    def __init__(self, address, folder): self.address, self.folder = address, Path(folder)
    def tls(self, own, authority='ca'):
        pem = lambda name: (self.folder / name).read_bytes()
        mine = dict(client_cert=pem(f'{own}.pem'), client_private_key=pem(f'{own}.key')) if own else {}
        return TLSConfig(server_root_ca_cert=pem(f'{authority}.pem'), **mine)
    async def connect(self, own=None, key=None, **options):
        return await Client.connect(self.address, runtime=runtime, api_key=key, **dict(tls=self.tls(own)) | options)
    async def refused(self, what, **options):
        say(what, await tried(self.connect(**options)))
    async def works(self, **options):
        """Calls, and a worker, of somebody who may."""
        client = await self.connect(**options)
        async with Worker(client, task_queue=QUEUE, activities=[resume]):
            handle = await client.start_workflow('a27', id='works', task_queue=QUEUE)
            say('result', await tried(handle.result()))
        say('describe', (await handle.describe()).status.name)
        say('count', (await client.count_workflows()).count)
    async def looks(self, **options):
        """Somebody who may look, and nothing else."""
        client = await self.connect(**options)
        say('look: describe', (await client.get_workflow_handle('works').describe()).status.name)
        say('look: start', await tried(client.start_workflow('a27', id='never', task_queue=QUEUE)))
    async def key(self):
        await self.works(key='key-that-works')
        await self.looks(key='key-that-looks')
        await self.refused('wrong key', key='key-of-nobody')
        await self.refused('no key')
        await self.refused('unknown authority', key='key-that-works', tls=True)
        await self.refused('no TLS', key='key-that-works', tls=False)
        # A key that is changed is the new one at once.
        client = await self.connect(key='key-that-works')
        client.api_key = 'key-of-nobody'
        say('key changed', await tried(client.count_workflows()))
    async def certificate(self):
        await self.works(own='works')
        await self.looks(own='looks')
        await self.refused('certificate of nobody', own='nobody')
        await self.refused('no certificate')
        await self.refused('certificate of another authority', own='stranger')

async def main(address, folder, by):
    await getattr(Checks(address, folder), by)()

if __name__ == '__main__':
    asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 240))
    # The SDK's own threads may outlive the interpreter, which that does not survive in order.
    sys.stdout.flush()
    os._exit(0)
