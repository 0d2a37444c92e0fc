"""`load.py FOLDER WORKLOAD`: one workload in this process with DBOS, on a PostgreSQL of its own; prints figures as JSON.

DBOS is a library: client, worker and engine are this process, as they are in our embedding API.
"""
import asyncio, getpass, glob, json, os, shutil, sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from measure import *
from dbos import DBOS

IN_FLIGHT, RUNS, ACTIVITIES = 64, 500, 10
LONE = 200
TIMERS, SLEEP = 5000, 5

@DBOS.step()
def echo(value): return value

@DBOS.step()
async def echo_async(value): return value

@DBOS.workflow()
def sequence(count):
    last = 0
    for value in range(1, count + 1): last = echo(value)
    return last

@DBOS.workflow()
async def alarm(seconds):
    """How much later than asked for it wakes, in milliseconds."""
    begun = time.time()
    await DBOS.sleep_async(seconds)
    return (time.time() - begun - seconds) * 1e3

@DBOS.workflow()
async def parallel(count): return len(await asyncio.gather(*[echo_async(value) for value in range(count)]))

class Dbos:
    def __init__(self, processes):
        port, self.postgres = free_port(), self.database(processes)
        self.server = processes.start('postgres', self.postgres('postgres', '-D', f'{processes.data}/db', '-p', str(port),
            '-c', 'listen_addresses=127.0.0.1', '-c', f'unix_socket_directories={processes.data}'))
        url = f'postgresql+psycopg://postgres@127.0.0.1:{port}'
        ready = self.postgres('pg_isready', '-q', '-h', '127.0.0.1', '-p', str(port))
        wait_for('PostgreSQL is ready', lambda: subprocess.run(ready).returncode == 0)
        DBOS(config=dict(name='load', system_database_url=f'{url}/dbos', log_level='WARNING', sys_db_pool_size=70))
        DBOS.launch()
        processes.callback(DBOS.destroy)

    @staticmethod
    def database(processes):
        """Makes the database's files; how its programs are run: as root it refuses to."""
        programs = sorted(glob.glob('/usr/lib/postgresql/*/bin'))[-1]
        as_user = ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'] if getpass.getuser() == 'root' else []
        if as_user: shutil.chown(processes.data, 'postgres', 'postgres')
        run = lambda program, *arguments: [*as_user, f'{programs}/{program}', *arguments]
        initdb = run('initdb', '--auth=trust', '--username=postgres', '-D', f'{processes.data}/db')
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL)
        return run

    def call(self, workflow, argument, runs, count): return clients(count, runs, lambda: lambda number: workflow(argument))

    def w1(self):
        self.call(sequence, 1, 60, 1)
        return dict(w1_latency_us=percentile(self.call(sequence, 1, LONE, 1), 0.5) * 1e6)

    def w2(self):
        self.call(sequence, ACTIVITIES, 100, IN_FLIGHT)
        with Window(self.server.pid, os.getpid()) as window: self.call(sequence, ACTIVITIES, RUNS, IN_FLIGHT)
        return w2_figures(window, RUNS * ACTIVITIES)

    def w3(self):
        asyncio.run(parallel(20))
        with Window() as window: asyncio.run(parallel(1000))
        return dict(w3_activities_per_s=1000 / window.seconds)

    def w4(self):
        async def alarms(): return await asyncio.gather(*[alarm(SLEEP) for _ in range(TIMERS)])
        return dict(w4_lateness_p99_ms=percentile(asyncio.run(alarms()), 0.99))

folder, workload = sys.argv[1:]
with Processes(folder) as processes:
    print(json.dumps(getattr(Dbos(processes), workload)()))
