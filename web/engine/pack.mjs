// Runs `packing.py` inside Pyodide: node pack.mjs PYODIDE STAGED MATRIX OUT < questions
import { readFileSync } from "node:fs";
import { resolve, dirname } from "node:path";
import { fileURLToPath } from "node:url";

const [runtime, staged, matrix, out] = process.argv.slice(2).map((name) => resolve(name));
const { loadPyodide } = await import(`file://${runtime}/pyodide.mjs`);
const python = await loadPyodide({ indexURL: runtime });
const source = readFileSync(`${dirname(fileURLToPath(import.meta.url))}/packing.py`, "utf8");
for (const [name, folder] of Object.entries({ "/staged": staged, "/matrix": matrix, "/out": out })) {
  python.FS.mkdirTree(name);
  python.FS.mount(python.FS.filesystems.NODEFS, { root: folder }, name);
}
try {
  python.runPython(source, { globals: python.globals });
  const lock = readFileSync(`${runtime}/pyodide-lock.json`, "utf8");
  python.globals.get("main")("/staged", "/matrix", "/out", readFileSync(0, "utf8"), lock);
} catch (error) {
  // Not the whole of it: a stack of the runtime has lines of half a megabyte.
  console.error(String(error.message ?? error).slice(-4000));
  process.exitCode = 1;
}
