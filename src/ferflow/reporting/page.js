"use strict";
// Pictures open in their own size, tables sort by a column. Without it the page shows the same.
for (const image of document.querySelectorAll("img.chart, img.photo")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "zoom";
  const dark = image.closest("picture");
  (dark || image).replaceWith(button);
  button.append(dark || image);
  button.setAttribute("aria-label", `Enlarge: ${image.alt}`);
  button.addEventListener("click", () => {
    const dialog = document.createElement("dialog");
    dialog.className = "enlarged";
    dialog.setAttribute("aria-label", image.alt);
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "Close";
    close.addEventListener("click", () => dialog.close());
    const copy = (dark || image).cloneNode(true);
    const scroll = document.createElement("div");
    scroll.tabIndex = 0;
    scroll.append(copy);
    dialog.append(close, scroll);
    dialog.addEventListener("close", () => { dialog.remove(); button.focus(); });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    document.body.append(dialog);
    dialog.showModal();
  });
}

const number = (cell) => {
  if (cell.dataset.value !== undefined) return parseFloat(cell.dataset.value);
  const found = cell.textContent.replace(/[,\u2009\u00a0]/g, "").match(/[-+\u2212]?\d+(\.\d+)?(e[-+]?\d+)?/i);
  return found ? parseFloat(found[0].replace("\u2212", "-")) : NaN;
};
const compare = (one, other) => {
  const [left, right] = [number(one), number(other)];
  if (Number.isNaN(left) && Number.isNaN(right)) return one.textContent.localeCompare(other.textContent);
  return Number.isNaN(left) ? 1 : Number.isNaN(right) ? -1 : left - right;
};
for (const table of document.querySelectorAll("table")) {
  const [head, body] = [table.tHead, table.tBodies[0]];
  if (!head || head.rows.length !== 1 || !body || body.rows.length < 3) continue;
  for (const [column, cell] of [...head.rows[0].cells].entries()) {
    if (!cell.textContent.trim() || cell.colSpan > 1) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...cell.childNodes);
    cell.append(button);
    button.addEventListener("click", () => {
      const falling = cell.getAttribute("aria-sort") === "ascending";
      for (const other of head.rows[0].cells) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const kept = [...body.rows].filter((row) => row.classList.contains("total"));
      const rows = [...body.rows].filter((row) => !row.classList.contains("total"));
      const isText = rows.some((row) => Number.isNaN(number(row.cells[column])) && /[a-z]/i.test(row.cells[column].textContent));
      rows.sort((one, other) => {
        const [left, right] = [one.cells[column], other.cells[column]];
        const order = isText ? left.textContent.localeCompare(right.textContent) : compare(left, right);
        // What has no figure stands last either way.
        if (!isText && Number.isNaN(number(left)) !== Number.isNaN(number(right))) return order;
        return falling ? -order : order;
      });
      body.append(...rows, ...kept);
    });
  }
}
