//! Makes a component of a package: `node build.mjs --project DIR --out FILE [--entry FILE] [--wit
//! DIR] [--tools DIR]`. `sandglass build` calls it.
//!
//! esbuild puts the package, what it depends on and the SDK into one file, with `async` functions
//! compiled to generators, since their promises have to be the SDK's (src/promise.ts); what makes
//! the component of it depends on the engine that `package.json` names (engines.mjs). Both are
//! looked for in the package's own node_modules, then in `--tools` (or SANDGLASS_JAVASCRIPT).

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ENGINES } from "./engines.mjs";

const ESBUILD = { name: "esbuild", version: "0.28.2" };
const SDK = dirname(fileURLToPath(import.meta.url));
const ENTRIES = ["src/workflows.ts", "src/workflows.js", "workflows.ts", "workflows.js"];
const CANNOT_USE = 2;

function stop(message) {
  console.error(message);
  process.exit(CANNOT_USE);
}

/** The place of a tool's package, in the version that the SDK is tested with. */
function tool({ name, version: wanted }, all, places) {
  const found = [];
  for (const place of places) {
    const manifest = join(place, "node_modules", name, "package.json");
    if (!existsSync(manifest)) continue;
    const { version } = JSON.parse(readFileSync(manifest, "utf8"));
    if (version === wanted) return manifest;
    found.push(`${version} in ${place}`);
  }
  const others = found.length > 0 ? ` (found: ${found.join(", ")})` : "";
  const packages = all.map((one) => `${one.name}@${one.version}`);
  stop(`${name} ${wanted} is not there${others}; run in the package's folder:\n\n` +
    `npm install --save-dev --save-exact ${packages.join(" ")}`);
}

/** The engine that runs the package. */
function engineOf(manifest) {
  const named = manifest.sandglass?.engine ?? "quickjs";
  return ENGINES[named] ?? stop(
    `package.json names the engine ${JSON.stringify(named)}; there are ` +
      `${Object.keys(ENGINES).join(" and ")}: "sandglass": { "engine": "quickjs" }`);
}

/** The folder and those around it, innermost first. */
function around(folder) {
  const up = dirname(folder);
  return up === folder ? [folder] : [folder, ...around(up)];
}

function entryOf(project, manifest, wanted) {
  const named = wanted ?? manifest.sandglass?.workflows;
  const tried = named ? [named] : ENTRIES;
  const entry = tried.map((file) => resolve(project, file)).find((file) => existsSync(file));
  return entry ?? stop(
    `${project} has none of ${tried.join(", ")}; name the file with the workflows in its ` +
      `package.json: "sandglass": { "workflows": "src/workflows.ts" }`);
}

async function bundle(esbuild, engine, project, entry, nodePaths) {
  const code =
    `import ${JSON.stringify(join(SDK, "src/prelude.ts"))};\n` +
    `import * as workflows from ${JSON.stringify(entry)};\n` +
    `import { serve } from ${JSON.stringify(join(SDK, "src/serve.ts"))};\n` +
    engine.exports("serve(workflows)");
  const result = await esbuild.build({
    stdin: { contents: code, resolveDir: project, sourcefile: "component.js", loader: "js" },
    absWorkingDir: project,
    bundle: true,
    write: false,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["worker", "browser", "import"],
    target: "esnext",
    supported: {
      "async-await": false, "async-generator": false, "for-await": false, using: false,
      decorators: false,
    },
    alias: { sandglass: join(SDK, "src/index.ts") },
    external: ["sandglass:*"],
    plugins: engine.plugins,
    nodePaths,
    define: { "process.env.NODE_ENV": '"production"' },
    keepNames: true,
    legalComments: "none",
    logLevel: "warning",
  }).catch(() => process.exit(1));
  return result.outputFiles[0].text;
}

const { values: given } = parseArgs({
  options: {
    project: { type: "string" }, out: { type: "string" }, entry: { type: "string" },
    wit: { type: "string" }, tools: { type: "string" },
  },
});
if (!given.project || !given.out) stop("usage: build.mjs --project DIR --out FILE");
const project = resolve(given.project);
const manifest = JSON.parse(readFileSync(join(project, "package.json"), "utf8"));
const tools = given.tools ?? process.env.SANDGLASS_JAVASCRIPT;
const places = [...around(project), ...(tools ? [resolve(tools)] : [])];
const engine = engineOf(manifest);
const tooling = [ESBUILD, ...engine.tools];
const [bundler, componentizer] = tooling.map((one) => tool(one, tooling, places));
const esbuild = createRequire(bundler)("esbuild");
// For modules of other folders, and what the package does not bring itself.
const nodePaths = [project, ...(tools ? [resolve(tools)] : [])].map((at) => join(at, "node_modules"));
const entry = entryOf(project, manifest, given.entry);
const text = await bundle(esbuild, engine, project, entry, nodePaths);
const work = mkdtempSync(join(tmpdir(), "sandglass-js-"));
try {
  const [js, out] = [join(work, "component.js"), resolve(given.out)];
  writeFileSync(js, text);
  await engine.make(componentizer, { js, out, wit: resolve(given.wit ?? join(SDK, "../../wit")) });
} catch (error) {
  // A process of its own has said it already.
  if (error.status === undefined) console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
