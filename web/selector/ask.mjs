// Answers questions in Node, one a line: node ask.mjs SITE < questions > answers
// The last line is what it cost: {"started": milliseconds, "cpu": [milliseconds of each], "heaps":
// [bytes after each], "read": [how many files after each], "files": [...]}.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { resolve } from "node:path";
import { start } from "./engine.js";

const site = resolve(process.argv[2]);
const manifest = JSON.parse(readFileSync(`${site}/engine/manifest.json`, "utf8"));
const folder = `${site}/${manifest.engine}`;
const { loadPyodide } = await import(`file://${site}/${manifest.runtime}/pyodide.mjs`);
const files = [];
const readNow = (name) => {
  files.push(name);
  return new Uint8Array(readFileSync(`${folder}/${name}`));
};
const began = process.cpuUsage();
const engine = await start({
  loadPyodide,
  runtime: `${site}/${manifest.runtime}/`,
  stdlib: `${folder}/stdlib.zip`,
  read: async (name) => readNow(name),
  readNow,
});
const milliseconds = (since) => {
  const used = process.cpuUsage(since);
  return (used.user + used.system) / 1000;
};
const started = milliseconds(began);
const cpu = [];
const heaps = [];
const read = [];
for await (const line of createInterface({ input: process.stdin })) {
  const before = process.cpuUsage();
  const answer = engine.answer(line);
  cpu.push(milliseconds(before));
  heaps.push(engine.heap());
  read.push(files.length);
  process.stdout.write(`${answer}\n`);
}
process.stdout.write(`${JSON.stringify({ started, cpu, heaps, read, files })}\n`);
