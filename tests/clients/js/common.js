// What the scripts for Temporal's TypeScript SDK share: how findings are printed, and how histories are read.
'use strict';
const { Client, Connection } = require('@temporalio/client');
const { temporal } = require('@temporalio/proto');
const { EventType } = temporal.api.enums.v1;

const QUEUE = 'scenarios';

function say(what, found) {
  console.log(`${what}: ${typeof found === 'string' ? found : JSON.stringify(found)}`);
}

/** The events' types, a whole workflow task in one word. */
function types(events) {
  const task = 'workflow_task_scheduled workflow_task_started workflow_task_completed';
  const names = events.map((event) => EventType[event.eventType].slice('EVENT_TYPE_'.length).toLowerCase());
  return names.join(' ').replaceAll(task, 'task');
}

async function history(handle) {
  return types((await handle.fetchHistory()).events);
}

/** An error with its causes, each with the type that it was given. */
function chain(error) {
  const links = [];
  for (; error; error = error.cause) {
    const code = error.constructor.name === 'Error' && error.code !== undefined ? `[${error.code}]` : '';
    // Errors of calls have the server's words here; those of runs have values.
    const text = typeof error.details === 'string' ? error.details : error.message;
    links.push(`${error.name}${error.type ? `[${error.type}]` : ''}${code}(${text})`);
  }
  return links.join(' <- ');
}

async function tried(promise) {
  try {
    return JSON.stringify(await promise) ?? 'nothing';
  } catch (error) {
    return chain(error);
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Waits until this is there. */
async function until(find) {
  for (;;) {
    const found = await find();
    if (found) return found;
    await pause(20);
  }
}

/** Waits until the history has this type of event and no workflow task is pending. */
function recorded(handle, word) {
  return until(async () => {
    const names = await history(handle);
    return names.includes(word) && !/workflow_task_(scheduled|started)$/.test(names) && names;
  });
}

async function all(iterable) {
  const found = [];
  for await (const one of iterable) found.push(one);
  return found;
}

async function connect(address) {
  const connection = await Connection.connect({ address });
  return new Client({ connection });
}

/** Runs the parts of a script, for at most two minutes, and ends with an error if one fails. */
function run(main) {
  const late = setTimeout(() => fail(new Error('it takes longer than two minutes')), 120_000);
  const fail = (error) => {
    console.error(error);
    process.exit(1);
  };
  main().then(() => clearTimeout(late), fail);
}

module.exports = { QUEUE, all, chain, connect, history, pause, recorded, run, say, tried, types, until };
