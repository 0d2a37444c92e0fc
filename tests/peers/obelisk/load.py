"""`load.py FOLDER WORKLOAD`: one workload at an Obelisk server, which runs workflow and activity; prints figures as JSON."""
import http.client, json, socket, sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from measure import *

IN_FLIGHT, RUNS, ACTIVITIES = 64, 500, 10
LONE = 200
FUNCTION = 'testing:bench-workflow/workflow.sequence'

class Prompt(http.client.HTTPConnection):
    """The server sends the head of an answer and its body apart: without acknowledging at once each takes 40 ms more."""
    def request(self, *arguments):
        if self.sock is None: self.connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        super().request(*arguments)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

class Obelisk:
    def __init__(self, processes):
        self.port, data = free_port(), processes.data
        Path(f'{data}/server.toml').write_text(f'''api.listening_addr = "127.0.0.1:{self.port}"
webui.enabled = false
external.enabled = false
database.sqlite.directory = "{data}/store"
wasm.cache_directory = "{processes.folder}/cache/wasm"
wasm.codegen_cache.directory = "{processes.folder}/cache/code"
log.console.level = "warn"
''')
        Path(f'{data}/deployment.toml').write_text(f'''[[activity_wasm]]
name = "activity"
location = "{processes.folder}/activity.wasm"
[[workflow_wasm]]
name = "workflow"
location = "{processes.folder}/workflow.wasm"
''')
        files = ['--server-config', f'{data}/server.toml', '--deployment', f'{data}/deployment.toml']
        self.server = processes.start('server', [f'{processes.folder}/bin/obelisk', 'server', 'run', *files], dict(HOME=data), data)
        wait_for('the server serves the workflow', lambda: FUNCTION.split('.')[0] in str(ask(self.connect(), 'GET', '/v1/functions')), 120)

    def connect(self): return Prompt('127.0.0.1', self.port, timeout=300)

    def call(self, activities, runs, count):
        def begin():
            connection = self.connect()
            def request(number):
                found = ask(connection, 'POST', '/v1/executions?follow=true', dict(ffqn=FUNCTION, params=[activities]))
                assert found == dict(ok=activities), found
            return request
        return clients(count, runs, begin)

    def w1(self):
        self.call(1, 60, 1)
        return dict(w1_latency_us=percentile(self.call(1, LONE, 1), 0.5) * 1e6)

    def w2(self):
        self.call(ACTIVITIES, 100, IN_FLIGHT)
        with Window(self.server.pid) as window: self.call(ACTIVITIES, RUNS, IN_FLIGHT)
        return w2_figures(window, RUNS * ACTIVITIES)

folder, workload = sys.argv[1:]
with Processes(folder) as processes:
    print(json.dumps(getattr(Obelisk(processes), workload)()))
