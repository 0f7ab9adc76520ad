// Starts the resolver: the same in a worker of the browser and, for the tests, in Node.

const PACKS = ["stdlib.pack", "engine.pack", "matrix.pack", "late.pack"];
const LIBRARY = "/lib/python3.14";
const PACKAGES = `${LIBRARY}/site-packages`;
/** Numbers of C's `struct mallinfo`, and the place of `uordblks` among them. */
const MALLINFO = 10;
const USED = 7;

/** The files of an inflated pack: the length of a table, the table, and their contents. */
function* unpacked(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  let start = 4 + length;
  const table = JSON.parse(new TextDecoder().decode(bytes.subarray(4, start)));
  for (const [path, size] of table) {
    yield [path, bytes.subarray(start, start + size)];
    start += size;
  }
}

async function inflated(bytes) {
  // A server may have named the compression, and the browser has undone it.
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function write(FS, path, content) {
  FS.mkdirTree(path.slice(0, path.lastIndexOf("/")));
  FS.writeFile(path, content);
}

/** How many bytes of the memory of WebAssembly are in use: what was given back is not. */
function inUse(module) {
  const place = module._malloc(MALLINFO * 4);
  module._mallinfo(place);
  const used = module.HEAPU32[place / 4 + USED];
  module._free(place);
  return used;
}

/**
 * Start the resolver and return `{ answer, heap }`.
 *
 * `loadPyodide` and `runtime` are Pyodide and where it lies, `read` gives a file of the engine's
 * folder as a promise of bytes, `readNow` the same at once, and `done` hears of each file.
 */
export async function start({ loadPyodide, runtime, stdlib, read, readNow, done = () => {} }) {
  const packs = PACKS.map((name) =>
    read(name).then(async (bytes) => {
      done(name);
      return inflated(bytes);
    }),
  );
  const table = packs[3].then((bytes) => JSON.parse(new TextDecoder().decode(bytes)));
  const python = await loadPyodide({
    indexURL: runtime,
    // Empty: the standard library comes in a pack, and is written before Python looks for it.
    stdLibURL: stdlib,
    lockFileContents: table.then(({ lock }) => lock),
    packageBaseUrl: runtime,
    env: { PYTHONPATH: LIBRARY },
    fsInit: async (FS) => {
      const [library, engine, matrix] = await Promise.all(packs);
      for (const pack of [library, engine, matrix]) {
        for (const [path, content] of unpacked(pack)) write(FS, path, content);
      }
      const empty = new Uint8Array();
      for (const path of Object.keys((await table).late)) write(FS, path, empty);
    },
  });
  done("pyodide");
  python.registerJsModule("site_server", {
    read: readNow,
    store: (name, path) => python.FS.writeFile(path, readNow(name)),
    in_use: () => inUse(python._module),
  });
  python.globals.set("late_files", JSON.stringify((await table).late));
  python.runPython(`
import json
from web.engine.boot import open_page
import site_server
page = open_page("${PACKAGES}", json.loads(late_files), site_server)
del late_files
`);
  const page = python.globals.get("page");
  return {
    answer: (question) => page.answer(question),
    heap: () => python._module.HEAPU8.length,
  };
}
