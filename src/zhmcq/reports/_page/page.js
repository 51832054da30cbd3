"use strict";
// The list of questions: filters, sorting, search, keyboard, language. Texts of questions are set
// as textContent alone, and nothing is fetched: the page's content policy forbids anything else.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { rows, sides, words } = data;
  const PAGE_SIZE = 50;
  const NO_LIMIT = 101; // of the slider: one more than 100 %
  const RESULTS = { 1: ["right", "wrong", "no_key"], 2: ["both", "gained", "lost", "neither", "no_key"] };
  const byId = (id) => document.getElementById(id);
  const last = (row) => row.answers[sides.length - 1];
  const state = { result: "", first: 0, shown: [] };
  const opened = new Set(); // the rows that are open, so that they stay open on another page

  // Words

  const language = () => document.documentElement.lang;
  function word(name, values = {}) {
    return words[language()][name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
  }
  const said = (text) => (typeof text === "string" ? text : text?.[language()]);
  const percent = (share) => (100 * share).toFixed(1) + "%";
  const count = (number) => number.toLocaleString("en");

  function make(tag, className, content = [], attributes = {}) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (typeof content === "string") element.textContent = content;
    else element.append(...content);
    return element;
  }

  // A text of the source, in its own language: fonts and voices differ by it.
  const quoted = (tag, className, text, attributes = {}) =>
    make(tag, className, text, { lang: data.contentLanguage, ...attributes });

  function labelOf(row, answer) {
    if (!answer || !answer.length) return "";
    const labels = data.labels[row.labels];
    const joint = labels.every((label) => [...label].length === 1) ? "" : ",";
    return answer.map((index) => labels[index]).join(joint);
  }

  // What is computed of each row, once

  const isRight = (row, answer) => String(answer.answer || "") === String(row.key);
  function resultOf(row) {
    if (!row.key || row.answers.some((answer) => !answer)) return "no_key";
    const right = row.answers.map((answer) => isRight(row, answer));
    if (right.length === 1) return right[0] ? "right" : "wrong";
    return right[0] ? (right[1] ? "both" : "lost") : right[1] ? "gained" : "neither";
  }
  function keyShare(row, answer) {
    if (!answer || !answer.probabilities) return null;
    return Math.min(...row.key.map((index) => answer.probabilities[index]));
  }
  function changeOf(row) {
    if (sides.length < 2 || row.result === "no_key") return null;
    const [before, after] = row.answers.map((answer) => keyShare(row, answer));
    if (before !== null && after !== null) return after - before;
    return { gained: 1, lost: -1 }[row.result] || 0;
  }
  rows.forEach((row, index) => {
    row.index = index;
    row.result = resultOf(row);
    row.change = changeOf(row);
    row.sureness = last(row)?.confidence ?? null;
    row.statuses = row.answers.map((answer) => (answer ? answer.status || "answered" : "missing"));
  });

  // Search: each text is folded once, when it is first needed; a passage once for all its questions

  const fold = (text) => text.normalize("NFKC").toLowerCase();
  const passages = data.passages.map(() => null);
  function passageText(index) {
    if (index === undefined) return "";
    passages[index] ??= fold(data.passages[index]);
    return passages[index];
  }
  function holds(row, terms) {
    row.folded ??= fold([row.id, row.stem || "", ...(row.options || [])].join("\n"));
    return terms.every((term) => row.folded.includes(term) || passageText(row.passage).includes(term));
  }

  // Filters

  const SELECTS = {
    status: (row, value) =>
      value === "unanswered" ? row.statuses.some((status) => status !== "answered") : row.statuses.includes(value),
    subject: (row, value) => (row.subject || "") === value,
    kind: (row, value) => (row.kind || "") === value,
    sheet: (row, value) => (row.sheet || "") === value,
  };
  const SORTS = {
    source: (left, right) => left.index - right.index,
    unsure: (left, right) => left.sureness - right.sureness,
    sure: (left, right) => right.sureness - left.sureness,
    gain: (left, right) => right.change - left.change,
    loss: (left, right) => left.change - right.change,
  };

  function update(first = 0) {
    const terms = fold(byId("search").value).split(/\s+/).filter(Boolean);
    const limit = Number(byId("unsure").value);
    // A select's first entry, index 0, is "all"; the values of the others may be any text.
    const chosen = Object.entries(SELECTS).filter(([name]) => byId(name).selectedIndex > 0)
      .map(([name, matches]) => [matches, byId(name).value]);
    const counts = {};
    state.shown = rows.filter((row) => {
      if (limit < NO_LIMIT && !(row.sureness !== null && row.sureness < limit / 100)) return false;
      if (!chosen.every(([matches, value]) => matches(row, value))) return false;
      if (terms.length && !holds(row, terms)) return false;
      counts[row.result] = (counts[row.result] || 0) + 1;
      return !state.result || row.result === state.result;
    });
    sortShown();
    for (const button of byId("results").children) {
      const total = Object.values(counts).reduce((sum, number) => sum + number, 0);
      const name = button.dataset.result;
      const number = name ? counts[name] || 0 : total;
      button.textContent = `${word(name ? "result." + name : "all")} ${count(number)}`;
      button.setAttribute("aria-pressed", String(name === state.result));
    }
    byId("unsure-value").textContent = limit < NO_LIMIT ? limit + "%" : word("unsure.any");
    byId("shown").textContent = state.shown.length
      ? word("shown", { shown: count(state.shown.length), total: count(rows.length) })
      : word("nothing");
    state.first = first;
    render();
  }

  function sortShown() {
    const name = byId("sort").value || "source";
    const field = { source: "index", unsure: "sureness", sure: "sureness" }[name] || "change";
    // Rows that lack what is sorted by come last, in their order.
    const missing = (row) => Number(row[field] === null);
    state.shown.sort(
      (left, right) => missing(left) - missing(right) ||
        (missing(left) ? 0 : SORTS[name](left, right)) || left.index - right.index,
    );
  }

  // The list

  function mark(row, answer) {
    if (!answer) return make("span", "quiet", "—");
    const label = labelOf(row, answer.answer);
    if (!row.key) return make("span", "", label || "—");
    const right = isRight(row, answer);
    return make("span", right ? "right" : "wrong", `${label || word("status." + answer.status)} ${right ? "✓" : "✗"}`);
  }
  function bar(share, side) {
    const filled = make("span", "");
    filled.style.width = percent(Math.min(1, Math.max(0, share)));
    return make("span", "bar " + side, [filled], { "aria-hidden": "true" });
  }

  function summaryOf(row) {
    const tone = { right: "right", both: "right", gained: "right", no_key: "quiet" }[row.result] || "wrong";
    const marks = row.answers.map((answer) => mark(row, answer));
    const answers = make("span", "marks", marks.flatMap((one, index) => (index ? [" → ", one] : [one])));
    const sureness = row.sureness === null ? [] : [percent(row.sureness), bar(row.sureness, sides.at(-1))];
    return make("summary", "", [
      make("span", "result " + tone, word(row.key ? "result." + row.result : "status." + row.statuses.at(-1))),
      make("span", "id", row.id),
      quoted("span", "stem", row.stem || said(last(row)?.reason) || "—"),
      answers,
      make("span", "sureness number", sureness),
    ]);
  }

  function optionsOf(row) {
    const labels = data.labels[row.labels];
    const shown = row.answers.map((answer) => answer || {});
    const head = [make("th", "", word("option"), { colspan: "2", scope: "col" })];
    for (const side of sides) head.push(make("th", "probability", word(side), { scope: "col" }));
    const lines = row.options.map((option, index) => {
      const isKey = (row.key || []).includes(index);
      const text = [quoted("span", "", option)];
      if (isKey) text.push(make("small", "right", ` ✓ ${word("key")}`));
      const cells = shown.map((answer, number) => {
        const content = [];
        const share = answer.probabilities?.[index];
        if (share !== undefined) content.push(make("span", "number", percent(share)), bar(share, sides[number]));
        if (answer.answer?.includes(index)) content.push(make("small", isKey ? "right" : row.key ? "wrong" : "", `● ${word("chosen")} `));
        if (answer.set?.includes(index)) content.push(make("small", "", `◇ ${word("option_set")}`));
        return make("td", "probability", content);
      });
      const name = make("td", "name", labels[index]);
      return make("tr", isKey ? "is-key" : "", [name, make("td", "", text), ...cells]);
    });
    return make("table", "options", [make("thead", "", [make("tr", "", head)]), make("tbody", "", lines)]);
  }

  function factsOf(row) {
    const facts = [[word("id"), row.id]];
    if (row.key) facts.push([word("key"), labelOf(row, row.key)]);
    row.answers.forEach((answer, index) => {
      if (!answer) return;
      const prefix = sides.length > 1 ? word(sides[index]) + " · " : "";
      const confidence = answer.confidence === undefined ? "" :
        percent(answer.confidence) + (answer.calibrated ? "" : ` (${word("uncalibrated")})`);
      facts.push(
        [prefix + word("answer"), labelOf(row, answer.answer)],
        [prefix + word("status"), answer.status ? word("status." + answer.status) : ""],
        [prefix + word("confidence"), confidence],
        [prefix + word("agreement"), answer.agreement === undefined ? "" : percent(answer.agreement)],
        [prefix + word("option_set"), labelOf(row, answer.set)],
        [prefix + word("reason"), said(answer.reason)],
        [prefix + word("reply"), answer.reply],
      );
    });
    facts.push([word("subject"), row.subject], [word("kind"), row.kind && word("kind." + row.kind)]);
    for (const name of ["group", "source", "sheet", "row", "explanation"]) facts.push([word(name), row[name]]);
    const list = make("dl", "facts");
    for (const [name, value] of facts) {
      if (value) list.append(make("dt", "", name), make("dd", "", String(value)));
    }
    return list;
  }

  function bodyOf(row) {
    const parts = [];
    if (row.passage !== undefined) {
      // A long passage scrolls in its box, also by the keyboard.
      const box = { tabindex: "0", role: "region", "aria-label": word("passage") };
      parts.push(quoted("div", "text passage", data.passages[row.passage], box));
    }
    if (row.stem) parts.push(quoted("p", "text", row.stem));
    if (row.options) parts.push(make("div", "scroll", [optionsOf(row)]));
    parts.push(factsOf(row));
    return make("div", "body", parts);
  }

  function remember(details) {
    opened[details.open ? "add" : "delete"](rows[details.dataset.index]);
  }
  function itemOf(row) {
    const details = make("details", "", [summaryOf(row)], { "data-index": String(row.index) });
    const fill = () => details.children.length > 1 || details.append(bodyOf(row));
    if (opened.has(row)) {
      details.open = true;
      fill();
    }
    details.addEventListener("toggle", () => {
      remember(details);
      if (details.open) fill();
    });
    return make("li", "", [details]);
  }

  function render() {
    // Their own event comes later, when they may be gone.
    for (const details of document.querySelectorAll("#list details")) remember(details);
    const shown = state.shown.slice(state.first, state.first + PAGE_SIZE);
    byId("list").replaceChildren(...shown.map(itemOf));
    const pages = Math.max(1, Math.ceil(state.shown.length / PAGE_SIZE));
    const page = state.first / PAGE_SIZE + 1;
    byId("page").textContent = word("page", { page: count(page), pages: count(pages) });
    byId("previous").disabled = page === 1;
    byId("next").disabled = page === pages;
    byId("pages").hidden = pages === 1;
  }
  function turn(step) {
    const first = state.first + step * PAGE_SIZE;
    if (first < 0 || first >= state.shown.length) return false;
    state.first = first;
    render();
    return true;
  }

  // Controls

  function fillSelect(name, entries) {
    const select = byId(name);
    const index = Math.max(0, select.selectedIndex);
    select.replaceChildren(...entries.map(([value, text]) => make("option", "", text, { value })));
    select.selectedIndex = index;
    select.closest("label").hidden = name !== "sort" && entries.length <= 2; // nothing to choose
  }
  function fillFilter(name, valuesOf, textOf) {
    const counts = new Map();
    for (const row of rows) {
      for (const value of new Set(valuesOf(row))) counts.set(value, (counts.get(value) || 0) + 1);
    }
    const entries = [...counts].map(([value, number]) => [value, `${textOf(value)} (${count(number)})`]);
    fillSelect(name, [["", word("all")], ...entries]);
  }
  function fillControls() {
    const named = (value) => value || word("not_named");
    fillFilter("subject", (row) => [row.subject || ""], named);
    fillFilter("sheet", (row) => [row.sheet || ""], named);
    fillFilter("kind", (row) => (row.kind ? [row.kind] : []), (kind) => word("kind." + kind));
    const unanswered = (row) => (row.statuses.some((status) => status !== "answered") ? ["unanswered"] : []);
    fillFilter("status", (row) => [...unanswered(row), ...row.statuses], (status) => word("status." + status));
    const sorts = ["source", ...(surenesses ? ["unsure", "sure"] : []), ...(sides.length > 1 ? ["gain", "loss"] : [])];
    fillSelect("sort", sorts.map((name) => [name, word("sort." + name)]));
    byId("unsure-label").hidden = !surenesses;
  }
  const surenesses = rows.some((row) => row.sureness !== null);

  function setLanguage(code) {
    document.documentElement.lang = code;
    for (const element of document.querySelectorAll("[data-word]")) element.textContent = word(element.dataset.word);
    for (const element of document.querySelectorAll("[data-word-label]")) {
      element.setAttribute("aria-label", word(element.dataset.wordLabel));
    }
    byId("search").placeholder = word("search_hint");
    for (const button of byId("languages").children) {
      button.setAttribute("aria-pressed", String(button.dataset.language === code));
    }
    document.title = [word(data.title), ...data.files].join(" · ");
    fillControls();
    update(state.first);
  }

  // Keyboard

  const summaries = () => [...document.querySelectorAll("#list summary")];
  function move(step) {
    const list = summaries();
    const at = list.indexOf(document.activeElement.closest?.("#list details")?.firstElementChild);
    if (at < 0) list[step > 0 ? 0 : list.length - 1]?.focus();
    else if (list[at + step]) list[at + step].focus();
    else if (turn(step)) summaries().at(step > 0 ? 0 : -1)?.focus();
  }
  let waiting = 0;
  function searchNow() {
    clearTimeout(waiting);
    update();
  }
  function onKey(event) {
    // While a Chinese input method composes, its keys are its own.
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target;
    const details = target.closest?.("#list details");
    if (target.id === "search") {
      if (event.key === "Enter" || event.key === "ArrowDown") {
        searchNow();
        summaries()[0]?.focus();
      } else if (event.key !== "Escape") return;
      else if (target.value) {
        target.value = "";
        searchNow();
      } else target.blur();
    } else if (target.matches?.("input, select")) return;
    else if (event.key === "/") byId("search").focus();
    else if (event.key === "j" || (event.key === "ArrowDown" && target.matches?.("#list summary"))) move(1);
    else if (event.key === "k" || (event.key === "ArrowUp" && target.matches?.("#list summary"))) move(-1);
    else if (event.key === "Escape" && details) {
      details.open = false;
      details.firstElementChild.focus();
    } else return;
    event.preventDefault();
  }
  for (const name of ["", ...RESULTS[sides.length]]) {
    const button = make("button", "", "", { type: "button", "data-result": name });
    button.hidden = Boolean(name) && !rows.some((row) => row.result === name);
    button.addEventListener("click", () => {
      state.result = name;
      update();
    });
    byId("results").append(button);
  }
  byId("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(update, 120); // after a pause in typing
  });
  for (const name of [...Object.keys(SELECTS), "sort"]) byId(name).addEventListener("change", () => update());
  byId("unsure").addEventListener("input", () => update());
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("clear").addEventListener("click", () => {
    byId("filters").reset();
    state.result = "";
    update();
  });
  for (const [id, step] of [["previous", -1], ["next", 1]]) {
    byId(id).addEventListener("click", () => turn(step) && byId("shown").scrollIntoView());
  }
  for (const button of byId("languages").children) {
    button.addEventListener("click", () => setLanguage(button.dataset.language));
  }
  document.addEventListener("keydown", onKey);
  setLanguage(language());
  document.documentElement.dataset.ready = "true";
})();
