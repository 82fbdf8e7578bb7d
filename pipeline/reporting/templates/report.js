// A column heading sorts its table: numbers by value, text by letter; a second click reverses the order.
for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending";
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
      const number = (text) => Number(text.replace(/[,%]/g, "") || NaN);
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        const order = isNaN(number(x)) || isNaN(number(y)) ? x.localeCompare(y) : number(x) - number(y);
        return up ? order : -order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}

// A tooltip shows the data-tip of what the pointer is on, is tapped, or has the focus.
const tooltip = document.createElement("div");
tooltip.id = "tooltip";
tooltip.hidden = true;
tooltip.setAttribute("aria-hidden", "true"); // the same text is in a table or an aria-label
document.body.append(tooltip);
const showTip = (event) => {
  const target = event.target.closest?.("[data-tip]");
  tooltip.hidden = !target;
  if (!target) return;
  tooltip.textContent = target.dataset.tip;
  if (target.dataset.thumbnail) {
    const face = document.createElement("span");
    face.className = "thumbnail";
    face.style.backgroundPosition = target.dataset.thumbnail;
    tooltip.prepend(face);
  }
  const box = target.getBoundingClientRect();
  const x = event.clientX ?? box.x + box.width / 2;
  const y = event.clientY ?? box.y;
  tooltip.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - tooltip.offsetWidth - 4))}px`;
  tooltip.style.top = `${Math.max(4, y - tooltip.offsetHeight - 12)}px`;
};
for (const type of ["pointermove", "pointerdown", "focusin"]) document.addEventListener(type, showTip);
document.addEventListener("focusout", () => (tooltip.hidden = true));
for (const type of ["wheel", "touchmove"]) document.addEventListener(type, () => (tooltip.hidden = true), { passive: true });

// A table that is wider than the page says so.
const markOverflow = () => {
  for (const region of document.querySelectorAll(".scrolling")) {
    region.classList.toggle("overflows", region.scrollWidth > region.clientWidth + 1);
  }
};
addEventListener("resize", markOverflow);
markOverflow();

// A figure opens in its full size.
const dialog = document.createElement("dialog");
document.body.append(dialog);
const openDialog = (label, content) => {
  const close = document.createElement("button");
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  dialog.setAttribute("aria-label", label);
  dialog.replaceChildren(close, ...content);
  dialog.showModal();
};
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
for (const image of document.querySelectorAll("main > img, main figure > img")) {
  const open = () => {
    const copy = new Image();
    copy.src = image.src;
    copy.alt = image.alt;
    openDialog(image.alt, [copy]);
  };
  image.classList.add("zoomable");
  image.tabIndex = 0;
  image.setAttribute("role", "button");
  image.setAttribute("aria-label", `Enlarge: ${image.alt}`);
  image.addEventListener("click", open);
  image.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      open();
    }
  });
}

// A cell of the confusion matrix opens its faces.
const cells = JSON.parse(document.getElementById("cell-faces")?.textContent ?? "null");
for (const button of document.querySelectorAll("button[data-cell]")) {
  button.addEventListener("click", () => {
    const heading = document.createElement("h3");
    heading.textContent = button.dataset.tip;
    const list = document.createElement("ul");
    list.className = "faces";
    for (const [number, confidence] of cells.faces[button.dataset.cell]) {
      const item = document.createElement("li");
      const face = document.createElement("span");
      const text = `${(100 * confidence).toFixed(0)}%`;
      face.className = "face";
      face.style.backgroundPosition = `${-48 * (number % cells.columns)}px ${-48 * Math.floor(number / cells.columns)}px`;
      face.setAttribute("role", "img");
      face.setAttribute("aria-label", `Face, confidence ${text}`);
      item.append(face, text);
      list.append(item);
    }
    tooltip.hidden = true;
    openDialog(button.dataset.tip, [heading, list]);
  });
}
