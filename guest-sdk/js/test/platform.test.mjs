//! The parts of the platform that the SDK brings, beside those of Node: promises run their jobs in
//! the same order, texts have the same bytes.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import vm from "node:vm";
import { compile } from "./host.mjs";
import { generator } from "./random.mjs";

test("jobs run in the order of the platform's own promises", (t) => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`SEED=${seed}`);
  const order = join(import.meta.dirname, "order.mjs");
  const flags = ["--unhandled-rejections=none", order, String(seed), "300"];
  const { status, stdout, stderr } = spawnSync(process.execPath, flags, { encoding: "utf8" });
  assert.equal(status, 0, stdout + stderr);
});

test("texts have the bytes that Node gives them, and back", async () => {
  const realm = vm.createContext({ Uint8Array });
  vm.runInContext(await compile('export * from "./text";'), realm);
  const { encodeUtf8, decodeUtf8 } = realm.made;
  const random = generator(7);
  const points = [0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xd800, 0xdbff, 0xdc00, 0xdfff, 0xe000, 0xffff, 0x10000, 0x10ffff];
  for (let n = 0; n < 3000; n++) {
    const some = Array.from({ length: random(6) }, () => points[random(points.length)]);
    const text = String.fromCodePoint(...some);
    assert.deepEqual([...encodeUtf8(text)], [...new TextEncoder().encode(text)], JSON.stringify(text));
    const interesting = [0x41, 0x80, 0xbf, 0xc1, 0xc2, 0xe0, 0x9f, 0xa0, 0xed, 0xef, 0xf0, 0x8f, 0x90, 0xf4, 0xf5, 0xff];
    const bytes = Uint8Array.from({ length: random(8) }, () => interesting[random(interesting.length)]);
    const decoded = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
    assert.equal(decodeUtf8(bytes), decoded, String(bytes));
    const fatal = new TextDecoder("utf-8", { fatal: true });
    let valid = true;
    try {
      fatal.decode(bytes);
    } catch {
      valid = false;
    }
    if (valid) assert.equal(decodeUtf8(bytes, true), decoded);
    else assert.throws(() => decodeUtf8(bytes, true), /UTF-8/, String(bytes));
  }
});

test("lengths of time are whole milliseconds, never shorter", async () => {
  const realm = vm.createContext({});
  vm.runInContext(await compile('export * from "./time";'), realm);
  const { millis } = realm.made;
  const good = { "250ms": 250, "10s": 10_000, "1.5m": 90_000, "1h": 3_600_000, "2d": 172_800_000, "0.1s": 100 };
  for (const [text, whole] of Object.entries(good)) assert.equal(millis(text), whole);
  assert.equal(millis(0.2), 1);
  for (const bad of [-1, Number.NaN, "10", "1 week", "", "1e3s"]) {
    assert.throws(() => millis(bad), /no length of time/, String(bad));
  }
});
