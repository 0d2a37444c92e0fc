"""The samples of Temporal's page on cancellation, from the copy in seeds/, against a Sandglass server: one line for each finding.

The page's lines run unchanged. The copy has lost what is no text of its own: indentation, decorators, the line `try:` before the
loop, and `raise` after "Activity cancelled", which the page asks for in words; so the activity runs as it stands, and with that.
Arguments: the server's address. The component of tests/guests/scenarios has `GreetingWorkflow`, which does what the page's does.
"""
import ast, asyncio, os, sys
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import NoReturn
from temporalio import activity
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import Worker
from client import QUEUE, say, tried, types, until

PAGE = (Path(__file__).parent / 'seeds/interrupt-python.txt').read_text().splitlines()
ID = 'your_workflow_id'

@dataclass
class ComposeArgsInput:
    arg1: str
    arg2: str

async def calls(method, client):
    """Runs the page's line that calls this method."""
    line, = [l for l in PAGE if l.startswith('await ') and l.endswith(f'.{method}()')]
    say('line', line)
    code = compile(line, 'page', 'eval', flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    await FunctionType(code, {'client': client})()

def activities(printed, raises):
    """The page's two activities, with the indentation that the copy has lost."""
    first = PAGE.index('async def cancellable_activity(input: ComposeArgsInput) -> NoReturn:')
    depth, lines = 0, []
    for line in PAGE[first:PAGE.index('class GreetingWorkflow:')]:
        if line.startswith('async def'): depth = 0
        if line.startswith('except'): depth = 1
        if line == 'while True:': lines.append(' ' * depth + 'try:'); depth += 1
        lines.append(' ' * depth + line)
        if line.endswith(':'): depth += 1
        if raises and line == 'print("Activity cancelled")': lines.append(' ' * depth + 'raise')
    page = dict(ComposeArgsInput=ComposeArgsInput, NoReturn=NoReturn, activity=activity, asyncio=asyncio, print=printed.append)
    exec(compile('\n'.join(lines), 'page', 'exec'), page)
    return [activity.defn(page[name]) for name in ('cancellable_activity', 'run_activity')]

async def main(address):
    client = await Client.connect(address, runtime=Runtime(telemetry=TelemetryConfig(logging=None)))
    start = lambda kind, *args: client.start_workflow(kind, args=args, id=ID, task_queue=QUEUE)
    for method in ('cancel', 'terminate'):
        h = await start('a01')
        await until(h, 'timer_started')
        await calls(method, client)
        say(method, await tried(h.result()))
        say('history', types((await h.fetch_history()).events))
    for raises in (False, True):
        printed = []
        async with Worker(client, task_queue=QUEUE, activities=activities(printed, raises)):
            h = await start('GreetingWorkflow', ComposeArgsInput('Hello, ', 'World'))
            say('with raise' if raises else 'as it stands', await tried(h.result()))
        say('printed', list(dict.fromkeys(printed)))
        say('history', types((await h.fetch_history()).events))

if __name__ == '__main__':
    asyncio.run(asyncio.wait_for(main(sys.argv[1]), 120))
    # The SDK's own threads may outlive the interpreter, which that does not survive in order.
    sys.stdout.flush()
    os._exit(0)
