// The services that the load calls. Arguments: the port to serve them on, the file for what was counted.
import fs from "node:fs";
import * as restate from "@restatedev/restate-sdk";

const [port, file] = process.argv.slice(2);
const seen = { started: 0, cleanups: 0, late: [] };
let written = "";
setInterval(() => {
  const text = JSON.stringify(seen);
  if (text === written) return;
  fs.writeFileSync(`${file}.new`, text);
  fs.renameSync(`${file}.new`, file);
  written = text;
}, 50);

const load = restate.service({
  name: "load",
  handlers: {
    sequence: async (ctx, count) => {
      let last = 0;
      for (let value = 1; value <= count; value++) last = await ctx.run("echo", () => value);
      return last;
    },
    parallel: async (ctx, count) => {
      const values = Array.from({ length: count }, (_, value) => ctx.run("echo", () => value));
      return (await restate.RestatePromise.all(values)).length;
    },
    alarm: async (ctx, length) => {
      const begun = await ctx.run("begun", () => Date.now());
      seen.started++;
      await ctx.sleep(length);
      seen.late.push(Date.now() - begun - length);
    },
    cleaner: async (ctx) => {
      try {
        seen.started++;
        await ctx.sleep(3_600_000);
      } catch (error) {
        await ctx.run("cleanup", () => void seen.cleanups++);
        throw error;
      }
    },
  },
});
restate.serve({ services: [load], port: Number(port) });
