"""What the loads of all peers have in common: processes that end with the load, their processor time, clients, figures."""
import http.client, json, os, signal, socket, subprocess, sys, tempfile, threading, time
from contextlib import ExitStack

TICKS = os.sysconf('SC_CLK_TCK')

def stat(pid):
    """The fields of a process after its name; none if it is gone."""
    try:
        with open(f'/proc/{pid}/stat') as file: return file.read().rsplit(')', 1)[1].split()
    except OSError: return None

def tree(pid):
    """A process and all below it."""
    parents = {int(name): stat(name) for name in os.listdir('/proc') if name.isdigit()}
    found = [pid]
    for parent in found: found += [child for child, fields in parents.items() if fields and int(fields[1]) == parent]
    return found

def cpu_seconds(pid):
    """Processor time of a process and all below it, ended ones included."""
    return sum(sum(map(int, fields[11:15])) for fields in map(stat, tree(pid)) if fields) / TICKS

def percentile(values, share):
    values = sorted(values)
    return values[min(int(len(values) * share), len(values) - 1)]

def free_port():
    with socket.socket() as listening:
        listening.bind(('127.0.0.1', 0))
        return listening.getsockname()[1]

def wait_for(what, condition, seconds=60):
    """Asks until the answer is true; errors on the way mean no."""
    end, error = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            if condition(): return
        except (OSError, ValueError, http.client.HTTPException) as failed: error = failed
        time.sleep(0.02)
    sys.exit(f'{what}: not within {seconds} s; {error}')

class Processes(ExitStack):
    """Programs that run until the load has ended, with their output in the peer's folder, and a folder for their data."""
    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        self.data = self.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix='data-'))

    def start(self, name, command, env=None, cwd=None):
        with open(f'{self.folder}/{name}.log', 'w') as log:
            process = subprocess.Popen(command, env=dict(os.environ, **(env or {})), cwd=cwd, stdout=log, stderr=log)
        self.callback(self.stop, process)
        return process

    @staticmethod
    def stop(process):
        process.send_signal(signal.SIGTERM)
        try: process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

def ask(connection, method, path, body=None):
    """One request with JSON for a body; the answer's status and what it says."""
    headers = {'accept': 'application/json'} | ({} if body is None else {'content-type': 'application/json'})
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= 300: raise OSError(f'{method} {path}: {answer.status} {text[:300]!r}')
    is_json = text and 'json' in (answer.getheader('content-type') or '')
    return json.loads(text) if is_json else text

def clients(count, requests, begin):
    """So many clients, each a thread with its own `begin()`, make all requests; the latency of each, in seconds."""
    numbers, latencies, errors, lock = iter(range(requests)), [], [], threading.Lock()
    def run():
        try:
            request = begin()
            while True:
                with lock: number = next(numbers, None)
                if number is None: return
                begun = time.perf_counter()
                request(number)
                latencies.append(time.perf_counter() - begun)
        except Exception as error: errors.append(error)
    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    if errors: raise errors[0]
    return latencies

class Window:
    """What passes between its begin and its end: time, and processor time of these processes."""
    def __init__(self, *pids): self.pids = pids
    def __enter__(self):
        self.cpu = [cpu_seconds(pid) for pid in self.pids]
        self.begun = time.perf_counter()
        return self
    def __exit__(self, *_):
        self.seconds = time.perf_counter() - self.begun
        self.cpu = [cpu_seconds(pid) - before for pid, before in zip(self.pids, self.cpu)]

def w2_figures(window, activities):
    """Those of W2: the first process is the server, the others are workers."""
    each = [seconds * 1e6 / activities for seconds in window.cpu]
    return dict(w2_activities_per_s=activities / window.seconds, w2_cpu_us_per_activity=sum(each), w2_server_cpu_us_per_activity=each[0])
