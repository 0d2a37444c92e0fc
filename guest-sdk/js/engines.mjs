//! The JavaScript engines that a component can have, and what makes one of each.
//!
//! An engine has `tools`, the packages that make components, first the one that is called;
//! `exports`, the code that exports what serves a module's workflows; `plugins` for esbuild; and
//! `make`, which writes a component. What imports WASI gets a trap there: the prelude has taken the
//! place of all that would.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const WORLD = "workflow";
const SOURCES = join(dirname(fileURLToPath(import.meta.url)), "src");

/** Two megabytes with a small package, and quick to compile and to start. */
const quickjs = {
  tools: [{ name: "componentize-qjs", version: "0.4.5" }],
  exports: (guest) => `export const guest = ${guest};\n`,
  plugins: [],
  make(manifest, { js, out, wit }) {
    const cli = join(dirname(manifest), "cli.mjs");
    const flags = ["--world", WORLD, "--sync", "--stub-wasi", "--opt-size"];
    const files = ["--wit", wit, "--js", js, "--output", out];
    execFileSync(process.execPath, [cli, ...files, ...flags], {
      cwd: dirname(js), stdio: ["ignore", "ignore", "inherit"],
    });
  },
};

/** The host's functions by interface, as `wit.d.ts` declares them. */
function declared() {
  const text = readFileSync(join(SOURCES, "wit.d.ts"), "utf8");
  const interfaces = text.split(/^declare module /m).slice(1).map((part) => {
    const [, name] = /^"([^"]+)"/.exec(part);
    return [name, [...part.matchAll(/export function (\w+)/g)].map(([, f]) => f)];
  });
  return new Map(interfaces);
}

const plain = `import { plain } from ${JSON.stringify(join(SOURCES, "plain.ts"))};\n`;

/** Puts functions that give plain values in the place of the host's. */
const values = {
  name: "values",
  setup(build) {
    const functions = declared();
    build.onResolve({ filter: /^sandglass:/ }, ({ path, namespace }) =>
      namespace === "values" ? { path, external: true } : { path, namespace: "values" });
    build.onLoad({ filter: /.*/, namespace: "values" }, ({ path }) => {
      const each = (functions.get(path) ?? []).map(
        (f) => `export const ${f} = (...given) => plain(host.${f}(...given));\n`);
      const contents = `${plain}import * as host from ${JSON.stringify(path)};\n${each.join("")}`;
      return { contents, resolveDir: SOURCES };
    });
  },
};

/** Sixteen megabytes; the engine of Firefox, with more of the web's platform. */
const spidermonkey = {
  tools: [
    { name: "@bytecodealliance/componentize-js", version: "0.23.0" },
    // Imported by the former, which does not say so.
    { name: "@bytecodealliance/preview2-shim", version: "0.17.9" },
  ],
  exports: (guest) =>
    `${plain}const served = Object.entries(${guest});\n` +
    "export const guest = Object.fromEntries(served.map(\n" +
    "  ([name, f]) => [name, (...given) => f(...given.map(plain))]));\n",
  plugins: [values],
  async make(manifest, { js, out, wit }) {
    const main = join(dirname(manifest), "src/componentize.js");
    const { componentize } = await import(pathToFileURL(main));
    const disableFeatures = ["stdio", "random", "clocks", "http", "fetch-event"];
    const options = { sourcePath: js, witPath: wit, worldName: WORLD, disableFeatures };
    writeFileSync(out, (await componentize(options)).component);
  },
};

export const ENGINES = { quickjs, spidermonkey };
