// The page: its state is its address, its answers come from the resolver's thread.
import { answerView, checkView, diagnoseView, fileView, mount, whyView } from "./view.js";

const { dataset } = document.body;
const FORMATS = JSON.parse(dataset.formats);
const DEFAULT = JSON.parse(dataset.default);
const SIZES = JSON.parse(dataset.sizes);
const KEYS = [
  "platform", "python", "gpu", "driver", "glibc", "torch", "cuda", "accelerator", "cudnn", "toolkit",
  "with", "goal", "constraint", "builders", "exclude-newer", "allow-build", "skip", "strict",
];
const LISTS = new Set(["with"]);
/** How many options are marked with one question: the next question need not wait for more. */
const MARKED_AT_ONCE = 4;
const LARGEST = 2 << 20;

const $ = (selector) => document.querySelector(selector);
const form = $("#form");

function say(text) {
  const node = $("#said");
  node.textContent = "";
  // A change is spoken, the same text again is not.
  requestAnimationFrame(() => (node.textContent = text));
}

function show(place, tree) {
  place.replaceChildren(mount(tree, document));
}

// -- the state and the address -------------------------------------------------------------------

function stateOf(query) {
  const state = {};
  for (const key of KEYS) {
    const texts = query.getAll(key).flatMap((text) => (LISTS.has(key) ? text.split(",") : [text]));
    const stated = texts.map((text) => text.trim()).filter(Boolean);
    if (stated.length) state[key] = stated;
  }
  return Object.keys(state).length ? state : structuredClone(DEFAULT);
}

const sorted = (state) => JSON.stringify(KEYS.filter((key) => state[key]?.length).map((key) => [key, state[key]]));
const same = (one, other) => sorted(one) === sorted(other);

function queryOf(state, view) {
  const query = [];
  for (const key of same(state, DEFAULT) ? [] : KEYS) {
    const texts = state[key] ?? [];
    const shown = LISTS.has(key) && texts.length ? [texts.join(",")] : texts;
    // Readable: a comma, a colon and brackets need no escape in a query.
    for (const text of shown) {
      query.push(`${key}=${encodeURIComponent(text).replace(/%2C/g, ",").replace(/%20/g, "+")}`);
    }
  }
  if (view !== "solve") query.push(`view=${view}`);
  return query.length ? `?${query.join("&")}` : location.pathname;
}

let state = stateOf(new URLSearchParams(location.search));
let view = new URLSearchParams(location.search).get("view") ?? "solve";

// -- the resolver --------------------------------------------------------------------------------

/** One thread that answers questions: those of the visitor first, marks when it has nothing else. */
class Resolver {
  #worker = null;
  #ready = false;
  #asked = new Map();
  #waiting = [];
  #last = 0;
  #loaded = 0;

  start() {
    if (this.#worker || !dataset.engine) return;
    this.#worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }) => this.#heard(data);
    this.#worker.onerror = (event) => this.#fail(event.message || "the resolver's thread could not start");
    this.#worker.postMessage({ start: { folder: dataset.engine, runtime: dataset.runtime } });
    this.#loaded = 0;
    this.#progress();
  }

  get isBusy() {
    return this.#asked.size + this.#waiting.length > 0;
  }

  /** Ask; `kind` is replaced: an older question of the same kind is dropped if it has not begun. */
  ask(question, kind) {
    this.start();
    if (!dataset.engine) {
      return Promise.reject(new Error("This copy of the page was built without the resolver."));
    }
    return new Promise((resolve, reject) => {
      if (kind !== "mark") this.drop(kind);
      const asked = { question, kind, resolve, reject, id: ++this.#last };
      kind === "mark" ? this.#waiting.push(asked) : this.#waiting.unshift(asked);
      this.#next();
    });
  }

  drop(kind) {
    this.#waiting = this.#waiting.filter((other) => other.kind !== kind || other.reject(null));
  }

  /** Give up what is being worked on: the thread is ended, and starts again with the next question. */
  stop() {
    this.#worker?.terminate();
    this.#fail("Stopped.");
  }

  #next() {
    if (!this.#ready || this.#asked.size || !this.#waiting.length) return;
    const asked = this.#waiting.shift();
    this.#asked.set(asked.id, asked);
    this.#worker.postMessage({ id: asked.id, question: JSON.stringify(asked.question) });
  }

  #heard(data) {
    if (data.done) {
      this.#loaded += SIZES[data.done] ?? 0;
      this.#progress();
    } else if (data.ready) {
      this.#ready = true;
      document.documentElement.dataset.engine = "ready";
      this.#progress();
      this.#next();
    } else if (data.failed && !data.id) {
      this.#fail(data.failed);
    } else {
      const asked = this.#asked.get(data.id);
      this.#asked.delete(data.id);
      data.failed ? asked.reject(new Error(data.failed)) : asked.resolve(JSON.parse(data.answer));
      this.#next();
    }
  }

  #fail(message) {
    this.#worker?.terminate();
    this.#worker = null;
    this.#ready = false;
    const all = [...this.#asked.values(), ...this.#waiting];
    this.#asked.clear();
    this.#waiting = [];
    document.documentElement.dataset.engine = "failed";
    for (const asked of all) asked.reject(new Error(message));
    this.#progress();
  }

  #progress() {
    const bar = $("#bar progress");
    const total = Object.values(SIZES).reduce((sum, size) => sum + size, 0);
    bar.hidden = this.#ready || !this.#worker;
    // What is not counted, the runtime itself, is about half of it.
    bar.value = Math.min(0.95, 0.05 + (this.#loaded / total) * 2);
    describe();
  }
}

const resolver = new Resolver();

function describe() {
  const loading = !$("#bar progress").hidden;
  $("#state-text").textContent = loading
    ? "Loading the resolver, about 6 MB …"
    : `matrix ${dataset.matrix}`;
}

// -- the form ------------------------------------------------------------------------------------

/** Fill the form with the state; a value that has no option gets one. */
function fill() {
  for (const group of form.querySelectorAll("[data-group]")) {
    const keys = group.dataset.group === "cuda" ? ["cuda", "accelerator"] : [group.dataset.group];
    const key = keys.find((name) => state[name]?.length) ?? keys[0];
    choose(group, key, state[key]?.[0] ?? "");
  }
  for (const box of form.querySelectorAll("[name=with]")) box.checked = (state.with ?? []).includes(box.value);
  for (const field of form.querySelectorAll("select, input[type=text], input[type=date]")) {
    const text = (state[field.dataset.key] ?? []).join(" ");
    if (field.tagName === "SELECT" && text && ![...field.options].some((one) => one.value === text)) {
      field.add(new Option(text, text));
    }
    if (document.activeElement !== field || field.value !== text) field.value = text;
  }
}

function choose(group, key, value) {
  const inputs = [...group.querySelectorAll("input")];
  const found = inputs.find((input) => input.dataset.key === key && input.value === value);
  for (const input of inputs) input.checked = input === found;
  for (const details of group.querySelectorAll("details")) details.open ||= details.contains(found ?? null);
  if (found || !value) return;
  const option = inputs[0].closest("label").cloneNode(true);
  const input = option.querySelector("input");
  Object.assign(input, { value, checked: true });
  input.dataset.key = key;
  option.querySelector("span").textContent = value;
  inputs[0].closest("div").append(option);
}

/** The state that the form shows, with what it has no field for. */
function changed(target) {
  const next = structuredClone(state);
  const { key } = target.dataset;
  if (target.type === "checkbox") {
    const boxes = [...form.querySelectorAll(`[name=${target.name}]`)].filter((box) => box.checked);
    next[key] = boxes.map((box) => box.value);
  } else {
    if (target.name === "cuda") delete next.cuda, delete next.accelerator;
    next[key] = target.value.trim() ? [target.value.trim()] : [];
  }
  for (const name of Object.keys(next)) if (!next[name].length) delete next[name];
  return next;
}

/** Make a state the page's: form, address and answer follow. */
function set(next, { push = true } = {}) {
  state = next;
  fill();
  address(push);
  solve();
}

/** The query that is shown. A link within the page changes the address as well, and not this. */
let shownQuery = location.search;

function address(push) {
  const url = queryOf(state, view);
  if (push && url !== location.search) history.pushState(null, "", url);
  shownQuery = location.search;
}

// -- the answer ----------------------------------------------------------------------------------

let asked = 0;

async function solve() {
  const mine = ++asked;
  const place = $("#answer");
  resolver.drop("mark");
  clearMarks();
  place.setAttribute("aria-busy", "true");
  delete document.documentElement.dataset.answered;
  const current = structuredClone(state);
  try {
    let answer = await resolver.ask({ ask: "solve", state: current }, "solve");
    if (mine !== asked) return;
    show(place, answerView(answer, { formats: FORMATS }));
    if (answer.answer === "none") {
      const { command } = answer;
      answer = { ...(await resolver.ask({ ask: "why-not", state: current }, "solve")), command };
      if (mine !== asked) return;
      show(place, answerView(answer, { formats: FORMATS }));
    }
    place.removeAttribute("aria-busy");
    summarise(answer.answer);
    document.documentElement.dataset.answered = answer.answer;
    $("#legend").hidden = false;
  } catch (error) {
    if (error && mine === asked) failed(place, error);
    return;
  }
  await mark(mine, current, shownOptions(), "marked");
}

/** What is spoken, and what a phone shows below the choices: the answer in one sentence. */
function summarise(kind) {
  const sentence = $("#sentence")?.textContent ?? "";
  say(`${$("#answer .chip")?.textContent ?? ""}. ${sentence}`);
  // What a bookmark and the browser's history are called by.
  document.title = `${sentence} | cudalock`;
  const jump = $("#jump");
  jump.textContent = sentence;
  jump.dataset.kind = kind;
  jump.hidden = !sentence || view !== "solve";
}

function failed(place, error) {
  place.removeAttribute("aria-busy");
  show(place, { tag: "p", attributes: { class: "failed", role: "alert" }, children: [error.message] });
  document.documentElement.dataset.answered = "failed";
}

async function why() {
  const place = $("#why");
  try {
    const answer = await resolver.ask({ ask: "explain", state }, "why");
    show(place, whyView(answer));
  } catch (error) {
    if (error) failed(place, error);
  }
}

async function file(format) {
  const { file: made } = await resolver.ask({ ask: "file", state, format }, "file");
  $("#file-part").replaceWith(mount(fileView({ file: made }, FORMATS), document));
  $(`#file-part input[value="${CSS.escape(format)}"]`).focus();
}

// -- marks ---------------------------------------------------------------------------------------

const WORDS = { other: "with other versions", no: "not possible", unknown: "nobody knows" };

function clearMarks() {
  for (const node of form.querySelectorAll("[data-mark]:not(.legend *)")) {
    node.removeAttribute("data-mark");
    node.querySelector(".mark-words")?.remove();
  }
  for (const option of form.querySelectorAll("option[data-of]")) option.textContent = option.value;
  delete document.documentElement.dataset.marked;
  delete document.documentElement.dataset.gpus;
}

/** Every option that is shown, with the key and value that it is asked about. */
function shownOptions() {
  return [...form.querySelectorAll("[data-group] input, [name=with]")].map((input) => ({
    key: input.type === "checkbox" ? "+with" : input.dataset.key,
    value: input.value,
    nodes: [input.closest("label")],
  }));
}

/** The GPUs, by architecture. */
function gpuOptions() {
  const kinds = new Map();
  for (const option of form.querySelectorAll("option[data-of]")) {
    kinds.set(option.dataset.of, [...(kinds.get(option.dataset.of) ?? []), option]);
  }
  return [...kinds].map(([value, nodes]) => ({ key: "gpu", value, nodes }));
}

async function mark(mine, current, all, done) {
  try {
    for (let start = 0; start < all.length; start += MARKED_AT_ONCE) {
      const some = all.slice(start, start + MARKED_AT_ONCE);
      const asked_about = {};
      for (const { key, value } of some) (asked_about[key] ??= []).push(value);
      const answer = await resolver.ask({ ask: "mark", state: current, options: asked_about }, "mark");
      if (mine !== asked) return;
      for (const { key, value, nodes } of some) nodes.forEach((node) => put(node, answer.marks[key][value]));
    }
    document.documentElement.dataset[done] = "all";
  } catch (error) {
    if (error) console.warn(error.message);
  }
}

// A closed list shows none of its options: they are marked when it gets the focus.
$("#field-gpu").addEventListener("focus", () => {
  if (document.documentElement.dataset.answered && !document.documentElement.dataset.gpus) {
    document.documentElement.dataset.gpus = "some";
    mark(asked, structuredClone(state), gpuOptions(), "gpus");
  }
});

function put(node, value) {
  if (node.tagName === "OPTION") {
    node.textContent = value === "yes" ? node.value : `${node.value}, ${WORDS[value]}`;
    return;
  }
  node.dataset.mark = value;
  if (value === "yes") return;
  const words = document.createElement("span");
  words.className = "hidden mark-words";
  words.textContent = WORDS[value];
  node.append(words);
}

// -- pasted texts --------------------------------------------------------------------------------

const EXAMPLES = {
  check: "torch==2.5.1\ntorchvision==0.20.1\nbitsandbytes==0.43.0\ntriton==3.2.0\n",
  diagnose:
    "Traceback (most recent call last):\n" +
    '  File "train.py", line 3, in <module>\n' +
    "    import bitsandbytes as bnb\n" +
    "ModuleNotFoundError: No module named 'triton.ops'\n\n" +
    "torch==2.6.0\nbitsandbytes==0.43.0\n",
};
const TARGET = ["python", "platform", "glibc", "gpu", "driver"];

async function paste(event, place, question, view_of) {
  event?.preventDefault();
  const node = $(place);
  node.setAttribute("aria-busy", "true");
  show(node, { tag: "p", attributes: { class: "wait" }, children: ["Looking …", stopButton()] });
  delete document.documentElement.dataset.pasted;
  try {
    const answer = await resolver.ask(question, place);
    show(node, view_of(answer));
    node.removeAttribute("aria-busy");
    say(node.querySelector(".chip").textContent);
    // Below the field on a phone: what was asked for must not have to be looked for.
    node.scrollIntoView({ block: "nearest" });
    document.documentElement.dataset.pasted = answer.answer;
  } catch (error) {
    if (error) failed(node, error);
    document.documentElement.dataset.pasted = "failed";
  }
}

const stopButton = () => ({ tag: "button", attributes: { type: "button", "data-stop": true }, children: ["Stop"] });

/** What is far too large is not even copied to the thread; it reports the size that it got. */
const bounded = (text) => text.slice(0, LARGEST + 1);

function check(event) {
  const target = $("#paste-target").value ? Object.fromEntries(TARGET.filter((key) => state[key]).map((key) => [key, state[key]])) : {};
  const question = { ask: "check", text: bounded($("#paste").value), name: $("#paste-name").value, state: target };
  return paste(event, "#check-answer", question, checkView);
}

function diagnose(event) {
  return paste(event, "#diagnose-answer", { ask: "diagnose", text: bounded($("#error-text").value) }, diagnoseView);
}

async function read(event) {
  event.preventDefault();
  const field = $("#words");
  try {
    const answer = await resolver.ask({ ask: "read", text: field.value }, "read");
    if (answer.answer === "yes") {
      field.value = "";
      set(answer.state);
    } else {
      show($("#answer"), answerView(answer, {}));
      document.documentElement.dataset.answered = answer.answer;
    }
  } catch (error) {
    if (error) failed($("#answer"), error);
  }
}

// -- views and buttons ---------------------------------------------------------------------------

const TABS = [...document.querySelectorAll("[role=tab]")];

function open(name, { push = true, focus = false } = {}) {
  view = TABS.some((tab) => tab.id === `tab-${name}`) ? name : "solve";
  for (const tab of TABS) {
    const isOpen = tab.id === `tab-${view}`;
    tab.setAttribute("aria-selected", isOpen);
    tab.tabIndex = isOpen ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = !isOpen;
    if (isOpen && focus) tab.focus();
  }
  document.querySelector(".tables").hidden = view !== "solve";
  $("#jump").hidden ||= view !== "solve";
  if (push) address(true);
}

const MOVES = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };

$("[role=tablist]").addEventListener("keydown", (event) => {
  const move = MOVES[event.key];
  if (move === undefined) return;
  event.preventDefault();
  const place = TABS.indexOf(document.activeElement) + move;
  const next = Number.isFinite(move) ? (place + TABS.length) % TABS.length : move < 0 ? 0 : TABS.length - 1;
  open(TABS[next].id.slice(4), { focus: true });
});

async function copy(id) {
  const text = id === "link" ? location.href : document.getElementById(id).textContent;
  try {
    await navigator.clipboard.writeText(text);
    say("Copied");
    return true;
  } catch {
    // No permission: what would be copied is selected instead.
    getSelection().selectAllChildren(document.getElementById(id) ?? $("#state-text"));
    say("Selected: copy it with the keyboard");
    return false;
  }
}

function download(name, id) {
  // Of a text the browser makes `Dockerfile.txt`.
  const type = name.includes(".") ? "text/plain" : "application/octet-stream";
  const blob = new Blob([document.getElementById(id).textContent], { type });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  say(`Downloaded ${name}`);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { dataset: data } = button;
  if (button.role === "tab" || button.getAttribute("role") === "tab") open(button.id.slice(4));
  else if (data.copy) {
    if (await copy(data.copy)) {
      button.dataset.done = "Copied";
      setTimeout(() => delete button.dataset.done, 1500);
    }
  } else if (data.download) download(data.download, data.of ?? "file");
  else if (data.stop !== undefined) resolver.stop();
  else if (data.example) {
    const field = data.example === "check" ? $("#paste") : $("#error-text");
    field.value = EXAMPLES[data.example];
    data.example === "check" ? check() : diagnose();
  } else if (data.state || data.patch) {
    const next = data.state ? JSON.parse(data.state) : { ...state, ...JSON.parse(data.patch) };
    open("solve", { push: false });
    set(next);
    $("#answer").focus({ preventScroll: false });
  }
});

document.addEventListener("toggle", (event) => {
  if (event.target.matches("[data-why]") && event.target.open) why();
}, true);

document.addEventListener("change", (event) => {
  if (event.target.name === "format") file(event.target.value).catch(() => {});
});

form.addEventListener("change", (event) => {
  if (event.target.dataset.key) set(changed(event.target));
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (document.activeElement?.dataset.key) set(changed(document.activeElement));
});
$("#words-form").addEventListener("submit", read);
$("#check-form").addEventListener("submit", check);
$("#diagnose-form").addEventListener("submit", diagnose);
window.addEventListener("popstate", () => {
  const query = new URLSearchParams(location.search);
  open(query.get("view") ?? "solve", { push: false });
  if (location.search !== shownQuery) set(stateOf(query), { push: false });
});

// -- the start -----------------------------------------------------------------------------------

fill();
open(view, { push: false });
describe();
document.documentElement.dataset.page = "ready";
if (!same(state, DEFAULT)) {
  // The page was made with another state's answer.
  show($("#answer"), { tag: "p", attributes: { class: "wait" }, children: ["Loading the resolver …"] });
  solve();
} else if (!navigator.connection?.saveData) {
  const begin = () => solve();
  for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, () => resolver.start(), { once: true, capture: true });
  "requestIdleCallback" in window ? requestIdleCallback(begin, { timeout: 4000 }) : setTimeout(begin, 2000);
}
