// The worker of `make bench` in TypeScript's SDK: serves the activity of the load until it is killed.
// Arguments: the server's address.
'use strict';
const { DefaultLogger, NativeConnection, Runtime, Worker } = require('@temporalio/worker');

(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const connection = await NativeConnection.connect({ address: process.argv[2] });
  const activities = { Echo: async (value) => value };
  const polls = { maxConcurrentActivityTaskExecutions: 200, maxConcurrentActivityTaskPolls: 10 };
  await (await Worker.create({ connection, taskQueue: 'load', activities, ...polls })).run();
})();
