//! Plays random programs with the platform's promises and with the SDK's: `order.mjs SEED COUNT`
//! exits with 1 if one of them comes by its places in another order. Run with
//! --unhandled-rejections=none, as the programs leave some.

import vm from "node:vm";
import { compile } from "./host.mjs";
import { generator } from "./random.mjs";

/** A program that makes, combines and awaits promises, and says in which order it came by where. */
function program(seed) {
  const random = generator(seed);
  const value = (depth) => {
    const inner = () => (depth > 0 ? value(depth - 1) : `${random(9)}`);
    const say = () => `say(${random(1e6)})`;
    const list = () => `[${Array.from({ length: random(4) }, inner)}]`;
    const kinds = [
      () => `${random(9)}`, say,
      () => `Promise.resolve(${inner()})`,
      () => `Promise.reject(${random(9)})`,
      () => `Promise.resolve(${inner()}).then(${say()})`,
      () => `Promise.resolve(${inner()}).then((x) => { say(x); return ${inner()}; })`,
      () => `Promise.resolve(${inner()}).catch((x) => { say(x); throw ${inner()}; })`,
      () => `Promise.resolve(${inner()}).finally(() => { say(${random(1e6)}); return ${inner()}; })`,
      () => `new Promise((yes, no) => { say(${random(1e6)}); ${random(2) ? "yes" : "no"}(${inner()}); })`,
      () => `({ then(yes, no) { say(${random(1e6)}); ${random(2) ? "yes" : "no"}(${inner()}); } })`,
      () => `(async () => { say(await ${inner()}); return ${inner()}; })()`,
      () => `(async () => { try { await ${inner()}; } finally { say(${random(1e6)}); } })()`,
      () => `Promise.all(${list()})`, () => `Promise.race(${list()})`,
      () => `Promise.any(${list()})`, () => `Promise.allSettled(${list()})`,
    ];
    return kinds[random(kinds.length)]();
  };
  return Array.from({ length: 8 }, (_, n) =>
    `Promise.resolve(${value(3)}).then((x) => say(${n}, x), (x) => say(-${n}, x));`).join("\n");
}

function describe(value) {
  if (Array.isArray(value)) return `[${value.map(describe)}]`;
  if (value?.errors) return `errors ${describe(value.errors)}`;
  if (value?.status) return `${value.status} ${describe(value.value ?? value.reason)}`;
  return typeof value === "object" && value ? "object" : String(value);
}

async function play(source, promises) {
  const order = [];
  const realm = vm.createContext({ say: (...x) => void order.push(describe(x)) });
  if (promises) realm.Promise = promises.DurablePromise;
  vm.runInContext(await compile(source, promises ? undefined : {}), realm);
  promises?.drain(() => false);
  await new Promise((resolve) => setImmediate(resolve));
  return order;
}

const [first, count] = process.argv.slice(2).map(Number);
const realm = vm.createContext({});
vm.runInContext(await compile('export * from "./promise";'), realm);
for (let seed = first; seed < first + count; seed++) {
  const source = program(seed);
  const [wanted, found] = [await play(source), await play(source, realm.made)];
  if (wanted.length > 0 && JSON.stringify(found) === JSON.stringify(wanted)) continue;
  console.log(`seed ${seed}:\n${source}\nwanted ${wanted.join(" ")}\nfound  ${found.join(" ")}`);
  process.exit(1);
}
