// Sorts and filters the table of models; a page without one is left alone.
(() => {
  "use strict";
  const table = document.getElementById("models");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const search = document.getElementById("search");
  const boxes = Array.from(document.querySelectorAll("input[name=outcome]"));
  const shown = document.getElementById("shown");

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let count = 0;
    for (const row of rows) {
      const text = texts.get(row);
      row.hidden = !wanted.has(row.dataset.outcome) || !words.every((word) => text.includes(word));
      count += row.hidden ? 0 : 1;
    }
    shown.textContent = `${count} of ${rows.length} shown`;
  };

  const cell = (row, column) => {
    const found = row.cells[column];
    return "value" in found.dataset ? found.dataset.value : found.textContent.trim();
  };

  const sort = (header) => {
    const column = header.cellIndex;
    const down = header.getAttribute("aria-sort") === "ascending";
    const numbers = header.dataset.kind === "num";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const sign = down ? -1 : 1;
    const empty = (value) => value === "" || value === "–";
    rows.sort((a, b) => {
      const [x, y] = [cell(a, column), cell(b, column)];
      // What has no value comes last in either direction.
      if (empty(x) || empty(y)) return empty(x) - empty(y);
      return sign * (numbers ? Number(x) - Number(y) : x.localeCompare(y, undefined, { numeric: true }));
    });
    body.append(...rows);
  };

  search.addEventListener("input", filter);
  for (const box of boxes) box.addEventListener("change", filter);
  for (const header of table.tHead.rows[0].cells) {
    const button = header.querySelector("button");
    if (button) button.addEventListener("click", () => sort(header));
  }
  search.form.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", () => {
    const page = location.hash.startsWith("#model-") && document.querySelector(location.hash);
    if (page) page.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  });
})();
