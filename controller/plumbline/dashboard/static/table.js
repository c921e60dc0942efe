"use strict";
// Adds to the list of one file what a server would do: a filter and another order. Without it the list is whole, the
// highest risk first.
for (const table of document.querySelectorAll("table[data-filter]")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];

  const label = document.createElement("label");
  const input = document.createElement("input");
  const found = document.createElement("output");
  input.type = "search";
  label.append(table.dataset.filter + " ", input);
  const form = document.createElement("div");
  form.className = "filter";
  form.setAttribute("role", "search");
  form.append(label, found);
  table.parentElement.before(form);
  const texts = rows.map((row) => row.textContent.toLowerCase());
  input.addEventListener("input", () => {
    const text = input.value.trim().toLowerCase();
    let shown = 0;
    rows.forEach((row, at) => {
      row.hidden = !texts[at].includes(text);
      shown += row.hidden ? 0 : 1;
    });
    found.textContent = text ? `${shown} of ${rows.length}` : "";
  });

  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (head.textContent.trim() === "Access") return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent.trim();
    head.replaceChildren(button);
    const numbers = head.classList.contains("number");
    const value = (row) => row.cells[column].textContent.replace(/[≥≤?,\s]/g, "");
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : numbers;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = (a, b) => (numbers ? Number(value(a)) - Number(value(b)) : value(a).localeCompare(value(b)));
      rows.sort((a, b) => (down ? order(b, a) : order(a, b)));
      body.append(...rows);
      rows.forEach((row, at) => (texts[at] = row.textContent.toLowerCase()));
    });
  });
}
