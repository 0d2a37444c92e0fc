// What Temporal's TypeScript SDK sees of a server that asks who comes: one line for each check.
// Arguments: the server's address, the folder with the certificates, and `key` or `certificate`: what the server asks
// for. The component of tests/guests/scenarios serves the task queue `scenarios`; this process serves its activities.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { Client, Connection } = require('@temporalio/client');
const { DefaultLogger, NativeConnection, Runtime, Worker } = require('@temporalio/worker');
const { QUEUE, run, say } = require('./common');

const [address, folder, by] = process.argv.slice(2);
const pem = (name) => fs.readFileSync(path.join(folder, name));

/** What is clear in an error: what the server said, else what TLS did. */
function why(error) {
  const texts = [];
  for (let link = error; link; link = link.cause) {
    if (typeof link.details === 'string' && link.code !== undefined) texts.push(`${link.code}: ${link.details}`);
    else texts.push(String(link.message ?? link));
  }
  const text = texts.join(' <- ');
  const said = text.match(/code: (?:'([^']*)'|(\w+)), message: "((?:[^"\\]|\\.)*)"/);
  // Which of them depends on who is faster.
  if (/transport error|operation was canceled|h2 protocol error|before the deadline/.test(text)) return 'no connection';
  if (said) return `${said[1] ?? said[2]}: ${said[3].replaceAll('\\"', '"')}`;
  return text;
}

async function tried(promise) {
  try {
    return JSON.stringify(await promise) ?? 'nothing';
  } catch (error) {
    return why(error);
  }
}

class Checks {
  options({ own, key, tls }) {
    const mine = own ? { clientCertPair: { crt: pem(`${own}.pem`), key: pem(`${own}.key`) } } : {};
    return { address, apiKey: key, tls: tls ?? { serverRootCACertificate: pem('ca.pem'), ...mine } };
  }

  async client(as) {
    return new Client({ connection: await Connection.connect({ ...this.options(as), connectTimeout: '5s' }) });
  }

  async worker(as) {
    const connection = await NativeConnection.connect(this.options(as));
    const activities = { Resume: async () => 3 };
    return Worker.create({ connection, taskQueue: QUEUE, activities });
  }

  /** Neither a client nor a worker is let in. */
  async refused(what, as) {
    say(`${what}, client`, await tried(this.client(as).then(() => 'let in')));
    say(`${what}, worker`, await tried(this.worker(as).then((worker) => worker.run())));
  }

  /** Calls, and a worker, of somebody who may. */
  async works(as) {
    const client = await this.client(as);
    const worker = await this.worker(as);
    const handle = await client.workflow.start('a27', { taskQueue: QUEUE, workflowId: 'works' });
    say('result', await tried(worker.runUntil(handle.result())));
    say('describe', (await handle.describe()).status.name);
    say('count', (await client.workflow.count()).count);
  }

  /** Somebody who may look, and nothing else. */
  async looks(as) {
    const client = await this.client(as);
    say('look: describe', (await client.workflow.getHandle('works').describe()).status.name);
    say('look: start', await tried(client.workflow.start('a27', { taskQueue: QUEUE, workflowId: 'never' })));
  }

  async key() {
    await this.works({ key: 'key-that-works' });
    await this.looks({ key: 'key-that-looks' });
    await this.refused('wrong key', { key: 'key-of-nobody' });
    await this.refused('no key', {});
  }

  async certificate() {
    await this.works({ own: 'works' });
    await this.looks({ own: 'looks' });
    await this.refused('certificate of nobody', { own: 'nobody' });
    await this.refused('no certificate', {});
  }
}

run(async () => {
  // What the SDK's native half has to say would be printed among the findings, were it not forwarded.
  Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { forward: {} } } });
  await new Checks()[by]();
  process.exit(0);
});
