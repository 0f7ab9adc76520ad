// The resolver's thread: it answers one question after another.
import { start } from "./engine.js";

const base = (name) => new URL(name, self.location.href).href;

async function read(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${response.status} for ${url}`);
  return new Uint8Array(await response.arrayBuffer());
}

function readNow(url) {
  const request = new XMLHttpRequest();
  request.open("GET", url, false);
  request.responseType = "arraybuffer";
  request.send();
  if (request.status !== 200) throw new Error(`${request.status} for ${url}`);
  return new Uint8Array(request.response);
}

let engine;

self.onmessage = async ({ data }) => {
  if (data.start) {
    const { folder, runtime } = data.start;
    try {
      const { loadPyodide } = await import(base(`${runtime}/pyodide.mjs`));
      engine = await start({
        loadPyodide,
        runtime: base(`${runtime}/`),
        stdlib: base(`${folder}/stdlib.zip`),
        read: (name) => read(base(`${folder}/${name}`)),
        readNow: (name) => readNow(base(`${folder}/${name}`)),
        done: (name) => self.postMessage({ done: name }),
      });
      self.postMessage({ ready: true });
    } catch (error) {
      // The last lines: the runtime's own are very long.
      self.postMessage({ failed: String(error?.message ?? error).slice(-500) });
    }
    return;
  }
  try {
    self.postMessage({ id: data.id, answer: engine.answer(data.question), heap: engine.heap() });
  } catch (error) {
    self.postMessage({ id: data.id, failed: String(error?.message ?? error).slice(-500) });
  }
};
