// Lays an answer out as HTML at build time: node render.mjs < answer > html
import { readFileSync } from "node:fs";
import { answerView, html } from "./view.js";

const answer = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(html(answerView(answer, { formats: answer.formats, prerendered: true })));
