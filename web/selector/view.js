// Lays answers out, as trees of elements: the page mounts them, the build writes them as HTML.
// Text is text in both: nothing of an answer is ever read as HTML.

const VOID = new Set(["input", "br"]);

/** An element: `h("p", { class: "x" }, "text", h("b", {}, "more"))`; null and false are left out. */
export function h(tag, attributes, ...children) {
  return { tag, attributes: attributes ?? {}, children: children.flat(Infinity) };
}

const shown = (child) => child !== null && child !== undefined && child !== false;

/** The DOM nodes of a tree. */
export function mount(tree, document) {
  if (typeof tree !== "object") return document.createTextNode(String(tree));
  const node = document.createElement(tree.tag);
  for (const [name, value] of Object.entries(tree.attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  node.append(...tree.children.filter(shown).map((child) => mount(child, document)));
  return node;
}

const escaped = (text) =>
  String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

/** A tree as HTML. */
export function html(tree) {
  if (typeof tree !== "object") return escaped(tree);
  const attributes = Object.entries(tree.attributes)
    .filter(([, value]) => value !== null && value !== undefined && value !== false)
    .map(([name, value]) => (value === true ? ` ${name}` : ` ${name}="${escaped(value)}"`))
    .join("");
  const inside = tree.children.filter(shown).map(html).join("");
  return VOID.has(tree.tag) ? `<${tree.tag}${attributes}>` : `<${tree.tag}${attributes}>${inside}</${tree.tag}>`;
}

// -- parts ---------------------------------------------------------------------------------------

/** A text with its `code` marked; what has no partner stays as it is. */
function words(text) {
  return String(text)
    .split(/(`[^`]+`)/)
    .map((part) => (/^`[^`]+`$/.test(part) ? h("code", {}, part.slice(1, -1)) : part));
}

const isUrl = (text) => /^https?:\/\/[^\s<>"']+$/.test(text);

function outside(text) {
  return isUrl(text) ? h("a", { href: text, rel: "noopener" }, text) : text;
}

function fact(id) {
  return id ? [" ", h("a", { href: `facts/${encodeURIComponent(id)}/`, class: "fact" }, id)] : null;
}

/** A line to copy. */
function command(text, label, id) {
  return h(
    "div",
    { class: "command" },
    h("pre", { tabindex: "0", role: "region", "aria-label": label }, h("code", { id }, text)),
    h("button", { type: "button", "data-copy": id, "aria-label": `Copy: ${label}` }, "Copy"),
  );
}

function chip(kind, text) {
  return h("p", { class: "chip", "data-kind": kind }, text);
}

function listOf(title, kind, items) {
  return items.length
    ? h("section", { class: "list", "data-kind": kind }, h("h3", {}, title), h("ul", {}, items.map((item) => h("li", {}, item))))
    : null;
}

// -- a lock --------------------------------------------------------------------------------------

/** An answer to `solve`, of whichever kind. */
export function answerView(answer, context) {
  const views = { yes: lockView, none: searchingView };
  return (views[answer.answer] ?? errorView)(answer, context);
}

function lockView(answer, { formats = [] } = {}) {
  const { lock, file } = answer;
  return h(
    "div",
    { class: "yes" },
    chip("yes", "These versions work together"),
    h("h2", { id: "sentence" }, answer.headline),
    listOf("Before you install", "warning", answer.warnings.map(words)),
    h("section", { class: "list" }, h("h3", {}, "Needs"), h("ul", { class: "needs" }, lock.needs.map((need) => h("li", {}, need)))),
    h("h3", {}, "Install"),
    fileView(answer, formats),
    pinsTable(answer),
    listOf("Newer, and not chosen", "plain", lock.newer.map((newer) => [`${newer.name} ${newer.version}: ${newer.why}`, fact(newer.fact)])),
    listOf("Notes", "plain", lock.notes.map(words)),
    h("details", { "data-why": true }, h("summary", {}, "Why these versions"), h("div", { id: "why" }, h("p", {}, "Looking …"))),
    h("h3", {}, "The same on the command line"),
    command(answer.command, "the command", "command"),
  );
}

/** The file of a lock, how it is installed, and the other formats. */
export function fileView(answer, formats) {
  const { file } = answer;
  return h(
    "section",
    { id: "file-part", "aria-label": "File" },
    file.install.map((line, place) => command(line.command, `install with ${line.tool}`, `install-${place}`)),
    h(
      "div",
      { class: "file" },
      h(
        "div",
        { class: "file-head" },
        h(
          "fieldset",
          { class: "formats" },
          h("legend", { class: "hidden" }, "Format"),
          formats.map(({ format, filename }) =>
            h(
              "label",
              {},
              h("input", { type: "radio", name: "format", value: format, checked: format === file.format }),
              h("span", {}, filename),
            ),
          ),
        ),
        h("button", { type: "button", "data-copy": "file", "aria-label": `Copy: ${file.filename}` }, "Copy"),
        h("button", { type: "button", "data-download": file.filename, "aria-label": `Download: ${file.filename}` }, "Download"),
      ),
      h("pre", { tabindex: "0", role: "region", "aria-label": file.filename }, h("code", { id: "file" }, file.text)),
    ),
    (file.beside ?? []).map(({ filename, text }, place) =>
      h(
        "details",
        { class: "beside" },
        h("summary", {}, `${file.filename} needs ${filename} beside it`),
        h("button", { type: "button", "data-copy": `beside-${place}`, "aria-label": `Copy: ${filename}` }, "Copy"),
        " ",
        h("button", { type: "button", "data-download": filename, "data-of": `beside-${place}`, "aria-label": `Download: ${filename}` }, "Download"),
        h("pre", { tabindex: "0", role: "region", "aria-label": filename }, h("code", { id: `beside-${place}` }, text)),
      ),
    ),
  );
}

/** The pins that the goal requires, and the framework's: version, wheel, and who built it. */
function pinsTable({ lock, origins }) {
  const isShown = (pin) => pin.via.includes("goal") || pin.name === lock.framework;
  const pins = lock.pins.filter(isShown);
  if (!pins.length) return null;
  return h(
    "div",
    { class: "wide", role: "region", tabindex: "0", "aria-label": "Wheels" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, ["Package", "Version", "From"].map((title) => h("th", { scope: "col" }, title)))),
      h(
        "tbody",
        {},
        pins.map((pin) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, pin.name),
            h("td", {}, pin.version),
            h("td", {}, isUrl(pin.wheel.url ?? "") ? h("a", { href: pin.wheel.url, rel: "noopener" }, origins[pin.wheel.file]) : origins[pin.wheel.file]),
          ),
        ),
      ),
    ),
  );
}

/** Why each pin is what it is. */
export function whyView({ explanation, facts }) {
  return h(
    "dl",
    { class: "why" },
    explanation.pins.map((pin) => [
      h("dt", {}, `${pin.name} ${pin.version}`, h("span", {}, ` from ${pin.from}`)),
      h("dd", {}, `required by ${pin.wanted_by.join("; ")}`),
      pin.passed_over.map((passed) =>
        h(
          "dd",
          { title: passed.fact && facts[passed.fact] ? facts[passed.fact].says : null },
          `newer ${span(passed.versions)}: ${passed.why}`,
          fact(passed.fact),
        ),
      ),
      pin.other_builds.map((build) => h("dd", {}, `would also work: ${build}`)),
    ]),
  );
}

const span = (versions) => (versions.length > 1 ? `${versions.at(-1)} to ${versions[0]}` : versions[0]);

// -- none ----------------------------------------------------------------------------------------

function searchingView(answer) {
  return h(
    "div",
    { class: "none" },
    chip("wait", "Nothing found so far"),
    h("h2", {}, "Looking for the reason, and for what would work …"),
    h("h3", {}, "The same on the command line"),
    command(answer.command, "the command", "command"),
  );
}

const KINDS = {
  no: "No compatible versions",
  unknown: "Nobody knows",
  wrong: "This cannot be answered",
};

function errorView(answer) {
  const { error, facts } = answer;
  const steps = error.conflicts.map((conflict, place) => [
    place ? h("p", { class: "also" }, "and in addition") : null,
    h(
      "ol",
      { class: "steps" },
      conflict.map((step) =>
        h("li", { title: step.fact && facts[step.fact] ? facts[step.fact].says : null }, words(step.says), fact(step.fact)),
      ),
    ),
  ]);
  return h(
    "div",
    { class: answer.answer },
    chip(answer.answer, KINDS[answer.answer]),
    h("h2", { id: "sentence" }, sentence(error.message)),
    steps.length ? h("h3", {}, "Why") : null,
    steps,
    error.hints.length ? h("h3", {}, steps.length ? "What would work" : "Instead") : null,
    h("ul", { class: "hints" }, error.hints.map(hintView)),
    answer.command ? [h("h3", {}, "The same on the command line"), command(answer.command, "the command", "command")] : null,
  );
}

const sentence = (text) => words(text.slice(0, 1).toUpperCase() + text.slice(1));

function hintView(hint) {
  const state = hint.state ?? null;
  const patch = hint.patch ?? null;
  if (!state && !patch) return h("li", {}, words(hint.text));
  return h(
    "li",
    {},
    h(
      "button",
      {
        type: "button",
        class: "hint",
        "data-state": state && JSON.stringify(state),
        "data-patch": patch && JSON.stringify(patch),
      },
      hint.change,
    ),
  );
}

// -- pasted texts --------------------------------------------------------------------------------

/** The findings of a file, and the file with what can be fixed in it. */
export function checkView(answer) {
  if (!answer.report) return errorView(answer);
  const { report, fixed, lines, fixable } = answer;
  const { error, warning, note } = report.summary;
  const counts = [[error, "error"], [warning, "warning"], [note, "note"]]
    .filter(([number]) => number)
    .map(([number, word]) => `${number} ${word}${number > 1 ? "s" : ""}`);
  const titles = { yes: "No errors found", no: "Some pins do not work together" };
  return h(
    "div",
    { class: answer.answer },
    chip(answer.answer, titles[answer.answer]),
    h("h2", {}, `${answer.name}: ${counts.join(", ") || "no findings"}`),
    answer.targets.length ? h("p", { class: "lead" }, `for ${answer.targets.join(" and ")}`) : null,
    h(
      "ol",
      { class: "findings" },
      report.findings.map((finding, place) => findingView(finding, lines[place], fixable[place], place + 1)),
    ),
    fixed ? fixView(fixed, answer.name) : null,
  );
}

function findingView(finding, line, isFixable, number) {
  return h(
    "li",
    { "data-kind": finding.severity },
    h(
      "p",
      {},
      h("a", { href: `codes/${finding.code}/`, class: "code" }, finding.code),
      " ",
      h("span", { class: "severity" }, finding.severity),
      finding.line ? ` line ${finding.line}` : null,
      isFixable ? h("span", { class: "fixable" }, "fixed below") : null,
    ),
    line
      ? h("pre", { tabindex: "0", role: "region", "aria-label": `finding ${number}, line ${finding.line}` }, h("code", {}, line.text.slice(0, line.start), h("mark", {}, line.text.slice(line.start, line.end)), line.text.slice(line.end)))
      : null,
    h("p", {}, words(finding.message), finding.facts.map((id) => fact(id))),
    finding.fix ? h("p", { class: "fix" }, "fix: ", words(finding.fix)) : null,
  );
}

const LINE_KINDS = { "+": "added", "-": "removed", "@": "place" };

function fixView(fixed, name) {
  return h(
    "section",
    { class: "fixed" },
    h("h3", {}, "What can be fixed"),
    h("ul", {}, fixed.changes.map((change) => h("li", {}, words(change)))),
    h(
      "pre",
      { class: "diff", tabindex: "0", role: "region", "aria-label": "Difference" },
      h("code", {}, fixed.diff.map((line) => h("span", { "data-kind": LINE_KINDS[line[0]] ?? "same" }, `${line}\n`))),
    ),
    h("pre", { hidden: true }, h("code", { id: "fixed" }, fixed.text)),
    h("button", { type: "button", "data-copy": "fixed" }, "Copy the fixed file"),
    " ",
    h("button", { type: "button", "data-download": name, "data-of": "fixed", "aria-label": `Download: fixed ${name}` }, "Download"),
  );
}

/** What an error message means. */
export function diagnoseView(answer) {
  if (!answer.diagnosis) return errorView(answer);
  const { diagnosis } = answer;
  if (answer.error) return errorView({ ...answer, facts: {} });
  return h(
    "div",
    { class: answer.state ? "yes" : "known" },
    chip(answer.state ? "yes" : "known", answer.lines ? "No conflict is known" : "This is known"),
    (answer.lines ?? []).map((line) => h("p", {}, line)),
    diagnosis.facts.map((found, place) =>
      h(
        "article",
        { class: "cause" },
        h(place ? "h3" : "h2", {}, `${place ? "or: " : ""}${found.component} ${found.says}`),
        h("pre", { tabindex: "0", role: "region", "aria-label": `explanation ${place + 1}, line ${found.line}` }, h("code", {}, found.seen.slice(0, 300))),
        found.fix ? h("p", { class: "fix" }, found.cure === "none" ? "try: " : "fix: ", words(found.fix)) : null,
        h("p", { class: "source" }, "source: ", outside(found.source[0] ?? ""), fact(found.id)),
      ),
    ),
    diagnosis.clashes.map((clash) => h("p", {}, words(clash.says), clash.facts.map((id) => fact(id)))),
    answer.read.length && !answer.lines ? h("p", { class: "lead" }, `read from the text: ${answer.read.join("; ")}`) : null,
    diagnosis.command ? remedyView(answer) : answer.why ? h("p", {}, `no command: ${answer.why}`) : null,
  );
}

function remedyView({ diagnosis, state }) {
  const changes = diagnosis.changes.map((change) => `${change.name} ${change.from} → ${change.to}`);
  const added = diagnosis.added.map(({ name, version }) => `${name} ${version}, of which the text names no version`);
  return h(
    "section",
    {},
    h("h3", {}, "Versions that fix it"),
    h("ul", {}, [...changes, ...added].map((line) => h("li", {}, line))),
    command(diagnosis.command, "the command that fixes it", "remedy"),
    state ? h("button", { type: "button", class: "main", "data-state": JSON.stringify(state) }, "Choose these versions") : null,
  );
}
