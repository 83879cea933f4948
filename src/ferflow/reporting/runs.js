"use strict";
// Filters of the table, and any two runs beside each other. Figures are those of `ferflow compare`.
{
  const { emotions, runs, sets } = JSON.parse(document.getElementById("content").textContent);
  const byId = new Map(runs.map((run) => [run.id, run]));
  const rows = [...document.querySelectorAll("tr[data-run]")];
  const place = document.getElementById("compared");
  const SHOWN = 24, FACE = 96, QUANTILE = 1.959964, SIGNIFICANCE = 0.05;
  let chosen = [];

  const element = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };
  const percent = (share) => `${(100 * share).toFixed(1)}%`;
  const signed = (points) => `${Math.abs(points) < 0.05 ? "" : points > 0 ? "+" : "\u2212"}${Math.abs(points).toFixed(1)}`;

  // Wilson's interval of a share.
  const interval = (right, number) => {
    const square = QUANTILE ** 2, share = right / number;
    const centre = (share + square / (2 * number)) / (1 + square / number);
    const half = (QUANTILE * Math.sqrt(share * (1 - share) / number + square / (4 * number ** 2))) / (1 + square / number);
    return [Math.max(0, centre - half), Math.min(1, centre + half)];
  };
  // McNemar's exact test, two-sided: each image that one alone has right is a toss of a coin.
  const logFactorials = [0];
  const logFactorial = (number) => {
    while (logFactorials.length <= number) logFactorials.push(logFactorials.at(-1) + Math.log(logFactorials.length));
    return logFactorials[number];
  };
  const pValue = (gained, lost) => {
    const number = gained + lost;
    if (gained === lost) return 1;
    let sum = 0;
    for (let few = 0; few <= Math.min(gained, lost); few++) {
      sum += Math.exp(logFactorial(number) - logFactorial(few) - logFactorial(number - few) - number * Math.LN2);
    }
    return Math.min(1, 2 * sum);
  };
  // Agresti and Min's interval of the difference of two shares of the same images.
  const differenceInterval = (gained, lost, images) => {
    const number = images + 2, more = (gained + 0.5) / number, less = (lost + 0.5) / number;
    const half = QUANTILE * Math.sqrt((more + less - (more - less) ** 2) / number);
    return [Math.max(-1, more - less - half), Math.min(1, more - less + half)];
  };

  const table = (title, columns, lines, kind = "compact") => {
    const head = element("tr", {}, ...columns.map((text) => element("th", { scope: "col", textContent: text })));
    const body = lines.map(([first, ...cells]) => element("tr", {},
      element("th", { scope: "row", textContent: first }),
      ...cells.map((cell) => (cell instanceof Node ? cell : element("td", { textContent: cell })))));
    const made = element("table", { className: kind }, element("caption", {}, element("span", { textContent: title })),
      element("thead", {}, head), element("tbody", {}, ...body));
    const scroll = element("div", { className: "scroll", tabIndex: 0 }, made);
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", title);
    return scroll;
  };

  const figures = (one, other, set) => {
    const all = [...set.labels].map((_, row) => row);
    const free = all.filter((row) => set.leaked[row] === "0");
    const line = (name, images) => {
      if (!images.length) return null;
      const right = [one, other].map((run) => images.filter((row) => run.answers[row] === set.labels[row]).length);
      const cells = right.map((count) => {
        const [low, high] = interval(count, images.length);
        return `${percent(count / images.length)} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`;
      });
      return [name, images.length.toLocaleString("en"), ...cells, signed(100 * (right[0] - right[1]) / images.length)];
    };
    const lines = [line("leak-free accuracy", free), line("test accuracy", all),
      ...emotions.map((emotion, index) => line(`recall ${emotion}`, all.filter((row) => set.labels[row] === String(index))))];
    return table("Figures, with 95 % intervals (Wilson)", ["figure", "images", "A", "B", "A less B, points"], lines.filter(Boolean));
  };

  const verdict = (one, other, set) => {
    let images = 0, gained = 0, lost = 0;
    for (const [row, label] of [...set.labels].entries()) {
      if (set.leaked[row] === "1") continue;
      images += 1;
      const right = [one.answers[row] === label, other.answers[row] === label];
      if (right[0] && !right[1]) gained += 1;
      if (right[1] && !right[0]) lost += 1;
    }
    if (!images) return element("p", { textContent: "Every test image has a copy in train or val: nothing is left to compare on." });
    const p = pValue(gained, lost), [low, high] = differenceInterval(gained, lost, images);
    const who = p >= SIGNIFICANCE ? "The two are not told apart" : `${gained > lost ? "A" : "B"} is better beyond chance`;
    return element("p", { id: "verdict", textContent:
      `${who}: of ${images.toLocaleString("en")} leak-free images A alone has ${gained} right, B alone ${lost}. ` +
      `Difference ${signed(100 * (gained - lost) / images)} points (95 % interval ${signed(100 * low)} to ${signed(100 * high)}), ` +
      `p ${p >= 1e-4 ? p.toPrecision(3) : p.toExponential(1)} (McNemar, exact).` });
  };

  const confusions = (one, other, set) => {
    const shares = [one, other].map((run) => {
      const counts = emotions.map(() => emotions.map(() => 0));
      for (const [row, label] of [...set.labels].entries()) counts[label][run.answers[row]] += 1;
      return counts.map((line) => { const sum = line.reduce((a, b) => a + b, 0); return line.map((count) => (sum ? 100 * count / sum : 0)); });
    });
    const points = shares[0].map((line, label) => line.map((share, answer) => share - shares[1][label][answer]));
    const limit = Math.max(1, ...points.flat().map(Math.abs));
    const lines = points.map((line, label) => [emotions[label], ...line.map((value, answer) => {
      const cell = element("td", { textContent: signed(value) });
      const strength = (40 * Math.abs(value) / limit).toFixed(0);
      cell.style.background = `color-mix(in srgb, var(${value > 0 ? "--plus" : "--minus"}) ${strength}%, transparent)`;
      if (label === answer) cell.className = "diagonal";
      return cell;
    })]);
    return table("Confusions: A less B, in points of each true class (rows: true class, columns: answer)", ["true", ...emotions], lines, "compact difference");
  };

  const example = (row, set, run, letter) => {
    const label = emotions[set.labels[row]], answer = `${letter}: ${emotions[run.answers[row]]}`;
    const item = element("li", {});
    const where = set.places?.[row];
    if (where !== undefined) {
      const face = element("span", { className: "face" });
      face.setAttribute("role", "img");
      face.setAttribute("aria-label", `${set.files[row]}, ${label}`);
      face.style.backgroundSize = `${set.columns * FACE}px auto`;
      face.style.backgroundPosition = `${-(where % set.columns) * FACE}px ${-Math.floor(where / set.columns) * FACE}px`;
      item.append(face);
    } else {
      item.append(element("code", { textContent: set.files[row] }), element("br"));
    }
    item.append(element("strong", { textContent: label }), element("br"), answer);
    return item;
  };

  const examples = (winner, loser, letters, set) => {
    const found = Object.keys(set.files).map(Number).filter((row) =>
      winner.answers[row] === set.labels[row] && loser.answers[row] !== set.labels[row]);
    const list = element("ul", { className: set.sheet ? "faces" : "faces named" });
    let shown = 0;
    const more = element("button", { type: "button" });
    const add = () => {
      const next = found.slice(shown, shown + SHOWN);
      list.append(...next.map((row) => example(row, set, loser, letters[1])));
      shown += next.length;
      more.textContent = `${found.length - shown} more`;
      more.hidden = shown === found.length;
    };
    more.addEventListener("click", add);
    add();
    return [element("h3", { textContent: `${letters[0]} alone is right: ${found.length}` }), list, more];
  };

  const show = () => {
    for (const row of rows) {
      row.classList.toggle("chosen", chosen.includes(row.dataset.run));
      row.querySelector("input").checked = chosen.includes(row.dataset.run);
    }
    if (chosen.length < 2) {
      place.replaceChildren(element("p", { className: "absent", textContent: "Tick two runs in the table." }));
      return;
    }
    const [one, other] = chosen.map((id) => byId.get(id));
    const parts = [[one, "A"], [other, "B"]].map(([run, letter]) =>
      element("p", {}, element("strong", { textContent: letter }), ` ${run.name} `, element("code", { textContent: run.id.slice(0, 8) })));
    const without = [one, other].find((run) => run.set === null);
    if (without || one.set !== other.set) {
      const why = without ? `${without.name} (${without.id.slice(0, 8)}) cannot be compared: ${without.answers}.`
        : "The two were scored on other test images: not comparable.";
      place.replaceChildren(...parts, element("p", { className: "notice", textContent: why }));
      return;
    }
    const set = sets[one.set];
    place.style.setProperty("--sheet", set.sheet ? `url(${set.sheet})` : "none");
    const keys = [...new Set([...Object.keys(one.params), ...Object.keys(other.params)])].sort()
      .filter((key) => one.params[key] !== other.params[key]);
    parts.push(verdict(one, other, set));
    parts.push(keys.length
      ? table("Parameters that differ", ["key", "A", "B"], keys.map((key) => [key, one.params[key] ?? "\u2013", other.params[key] ?? "\u2013"]))
      : element("p", { textContent: "All parameters are the same." }));
    parts.push(figures(one, other, set), confusions(one, other, set));
    parts.push(element("h3", { textContent: "Examples that changed" }));
    parts.push(element("p", { className: "soft", textContent: set.sheet
      ? "Leak-free images, each with its label and the wrong answer."
      : "Leak-free images, each with its label and the wrong answer. Pictures are shown where the page is written beside the split that the runs were scored on." }));
    parts.push(...examples(one, other, ["A", "B"], set), ...examples(other, one, ["B", "A"], set));
    place.replaceChildren(...parts);
  };

  const choose = (id, wanted) => {
    chosen = chosen.filter((other) => other !== id);
    if (wanted) chosen = [...chosen.slice(-1), id];
    show();
  };
  for (const row of rows) {
    const box = element("input", { type: "checkbox" });
    box.setAttribute("aria-label", `Compare ${byId.get(row.dataset.run).name} (${row.dataset.run.slice(0, 8)})`);
    box.addEventListener("change", () => choose(row.dataset.run, box.checked));
    row.cells[0].prepend(box);
  }

  const [filters, text, key, value, count] = ["filters", "text", "key", "value", "count"].map((id) => document.getElementById(id));
  const filter = () => {
    let number = 0;
    for (const row of rows) {
      const run = byId.get(row.dataset.run);
      const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
      row.hidden = !(words.every((word) => run.search.includes(word)) && (!key.value || (run.params[key.value] ?? "") === value.value));
      number += row.hidden ? 0 : 1;
    }
    count.textContent = `${number} of ${rows.length} runs`;
  };
  key.addEventListener("change", () => {
    const values = key.value ? [...new Set(runs.map((run) => run.params[key.value] ?? ""))].sort((one, other) => one - other || one.localeCompare(other)) : [];
    value.replaceChildren(...values.map((each) => element("option", { value: each, textContent: each || "not set" })));
    value.disabled = !key.value;
    filter();
  });
  text.addEventListener("input", filter);
  value.addEventListener("change", filter);
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.hidden = false;
  filter();

  // The newest run and the best other one of its test set.
  const newest = runs.find((run) => run.set !== null && runs.some((other) => other !== run && other.set === run.set));
  if (newest) {
    const right = (run) => [...sets[run.set].labels].filter((label, row) => run.answers[row] === label && sets[run.set].leaked[row] === "0").length;
    const best = runs.filter((run) => run !== newest && run.set === newest.set).reduce((one, other) => (right(other) > right(one) ? other : one));
    chosen = [newest.id, best.id];
  }
  show();
}
