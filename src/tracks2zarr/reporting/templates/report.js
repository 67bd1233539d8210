"use strict";
(() => {
  const root = document.documentElement;
  const search = document.getElementById("search");
  const toggle = document.getElementById("toggle");
  const pictures = () => document.querySelectorAll("details.clip");
  const remembered = {
    get() { try { return localStorage.getItem("tracks2zarr-theme"); } catch { return null; } },
    set(theme) { try { localStorage.setItem("tracks2zarr-theme", theme); } catch { /* not from disk */ } },
  };

  // ---- light and dark
  const theme = remembered.get();
  if (theme) root.dataset.theme = theme;
  const changeTheme = () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    remembered.set(root.dataset.theme);
  };
  document.getElementById("theme").addEventListener("click", changeTheme);

  // ---- pictures
  let open = document.querySelector("details.clip[open]") !== null;
  const openAll = (wanted) => {
    open = wanted;
    for (const one of pictures()) one.open = open;
    toggle.textContent = `${open ? "Close" : "Open"} all pictures`;
  };
  toggle.addEventListener("click", () => openAll(!open));
  let before = [];
  addEventListener("beforeprint", () => {
    before = [...pictures()].filter((one) => !one.open);
    for (const one of before) one.open = true;
  });
  addEventListener("afterprint", () => { for (const one of before) one.open = false; });
  const openTarget = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", openTarget);
  openTarget();

  // ---- sorting
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    const number = Number(text);
    return text !== "" && !Number.isNaN(number) ? number : text;
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a === "number") return -1;
    if (typeof b === "number") return 1;
    return a.localeCompare(b, undefined, { numeric: true });
  };
  const sortBy = (table, header, column) => {
    const down = header.getAttribute("aria-sort") === "ascending";
    for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row, column), row]);
    rows.sort(([a], [b]) => (down ? compare(b, a) : compare(a, b)));
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = header.textContent;
      button.title = "Sort";
      button.addEventListener("click", () => sortBy(table, header, column));
      header.replaceChildren(button);
    });
  }

  // ---- search
  const videos = [...document.querySelectorAll("section.video")].map((section) => ({
    section,
    row: document.querySelector(`tr[data-video="${section.id}"]`),
    text: section.textContent.toLowerCase(),
  }));
  const find = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const { section, row, text } of videos) {
      const fits = words.every((word) => text.includes(word));
      section.hidden = row.hidden = !fits;
      found += fits;
    }
    document.getElementById("none-found").hidden = found > 0;
  };
  search.addEventListener("input", find);

  // ---- keys
  const go = (step) => {
    const shown = videos.map((video) => video.section).filter((section) => !section.hidden);
    const past = shown.findIndex((section) => section.getBoundingClientRect().top > 90);
    const next = past < 0 ? shown.length : past;
    const at = step > 0 ? next : next - 2;
    const target = shown[Math.min(Math.max(at, 0), shown.length - 1)];
    if (target) { target.scrollIntoView(); target.focus({ preventScroll: true }); }
  };
  const keys = { "/": () => search.focus(), n: () => go(1), p: () => go(-1), o: () => openAll(!open), t: changeTheme };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === search) {
      if (event.key === "Escape") { search.value = ""; find(); search.blur(); }
      return;
    }
    const action = keys[event.key];
    if (action) { event.preventDefault(); action(); }
  });
})();
