// Comptoir: the little that HTML cannot do by itself. Every page works without this file.
(() => {
  "use strict";
  const $ = (s, r = document) => r.querySelector(s);
  const $$ = (s, r = document) => [...r.querySelectorAll(s)];
  const root = document.documentElement;

  // theme: follows the system until the person chooses
  const forced = new URLSearchParams(location.search).get("theme");
  let saved = null;
  try { saved = localStorage.getItem("theme"); } catch { /* private mode */ }
  if (forced || saved) root.dataset.theme = forced || saved;
  $$("[data-theme-toggle]").forEach((b) => b.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* private mode */ }
  }));

  // dialogs: a link with data-open shows the dialog; without this file it leads to the same content as a page
  document.addEventListener("click", (e) => {
    const opener = e.target.closest("[data-open]");
    if (!opener) return;
    const dialog = document.getElementById(opener.dataset.open);
    if (!dialog) return;
    e.preventDefault();
    dialog.showModal();
  });

  // one polite live region for everything that is said
  function toast(text) {
    const box = $("[data-toasts]");
    if (!box) return;
    const el = document.createElement("div");
    el.className = "toast good";
    const say = document.createElement("div");
    say.className = "grow";
    say.textContent = text;
    el.append(say);
    box.append(el);
    setTimeout(() => el.remove(), 8000);
  }
  // what came with the page is said once: put in anew, as a region that is there from the start is not read out, and
  // taken out of the address, or a reload would say it again
  $$("[data-toasts] .toast").forEach((came) => {
    came.remove();
    setTimeout(() => toast(came.textContent), 100);
    const url = new URL(location.href);
    for (const name of ["done", "picked", "packed", "dispatched"]) url.searchParams.delete(name);
    history.replaceState(history.state, "", url);
  });
  // what is wrong is where reading goes on
  $("[role=alert][tabindex]")?.focus();

  // the live light: only where there is a stream; of one that is cut it says since when
  const light = $("[data-live]");
  if (light && $("[hx-sse\\:connect]")) {
    let lost = "";
    const clock = () => new Date().toLocaleTimeString(root.lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: light.dataset.zone });
    const lit = (state) => {
      lost = state === "off" ? lost || clock() : "";
      light.classList.toggle("is-begun", state === "begins");
      light.classList.toggle("is-off", state === "off");
      light.textContent = light.dataset[state].replace("{time}", lost);
      light.hidden = false;
    };
    const cut = () => lit("off");
    lit("begins");
    document.addEventListener("htmx:sse:after:connection", () => lit("on"));
    document.addEventListener("htmx:sse:error", cut);
    document.addEventListener("htmx:sse:before:connection", (e) => { if (e.detail.connection.attempt) cut(); });
    document.addEventListener("htmx:sse:close", (e) => { if (e.detail.reason !== "removed" && e.detail.reason !== "cleanup") cut(); });
    for (const refused of ["htmx:error", "htmx:response:error"]) {
      document.addEventListener(refused, (e) => { if (e.target.matches?.("[hx-sse\\:connect]")) cut(); });
    }
  }

  // keyboard: single letters only outside fields
  const goes = {};
  $$("a[data-key]").forEach((a) => { goes[a.dataset.key] = a.href; });
  let g = false;
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input:not([type=checkbox]), textarea, select, dialog[open]")) return;
    if (g && goes[e.key]) { location.href = goes[e.key]; return; }
    g = e.key === "g";
    const rows = $$("tr[data-row], .orders tbody tr");
    const at = rows.findIndex((r) => r.contains(document.activeElement));
    if (e.key === "/") { e.preventDefault(); $("#q")?.focus(); }
    else if (e.key === "?") { $("#keys")?.showModal(); }
    else if (e.key === "j" && rows.length) { $("a", rows[Math.min(at + 1, rows.length - 1)]).focus(); }
    else if (e.key === "k" && rows.length) { $("a", rows[Math.max(at - 1, 0)]).focus(); }
    else if (e.key === "x" && at >= 0) { $("#chosen [name=id]", rows[at])?.click(); }
  });

  // chosen rows: their bar says how many there are, and is there only when there are any
  const bulk = $("[data-bulk]");
  if (bulk) {
    const boxes = () => $$("#chosen [name=id]");
    const count = () => {
      const n = boxes().filter((b) => b.checked).length;
      bulk.hidden = n === 0;
      $("[data-bulk-n]", bulk).textContent = n;
    };
    $("[data-choose=none]", bulk).hidden = false;
    document.addEventListener("change", (e) => { if (e.target.matches("#chosen [name=id]")) count(); });
    document.addEventListener("click", (e) => {
      const choose = e.target.closest("[data-choose]")?.dataset.choose;
      if (!choose) return;
      e.preventDefault();
      boxes().forEach((b) => { b.checked = choose === "all"; });
      count();
      if (choose === "none") $("[data-choose=all]")?.focus();
    });
    document.addEventListener("htmx:after:swap", count);
    addEventListener("pageshow", count);
    count();
  }

  // scanner: types into the field and ends with Enter; a right code counts one piece of its line, any other counts nothing;
  // where lines are added (data-ask), a code that has no line yet goes to the server, which knows whether it is a product
  const scan = $("[data-scan]");
  if (scan) {
    const field = $("input", scan);
    const said = $("[data-said]");
    const lines = $$("[data-codes]");
    const own = (scan.dataset.own || "").split("\n");
    const done = $("[data-done]");
    const count = (line) => $("input[type=number]", line);
    const ask = "ask" in scan.dataset;
    const most = (line) => (ask ? "" : count(line).max || count(line).dataset.of || "");
    const full = (line) => most(line) && Number(count(line).value) >= Number(most(line));
    const say = (good, text, facts) => {
      said.hidden = false;
      said.className = `scan-said ${good ? "" : "bad"}`;
      said.textContent = "";
      requestAnimationFrame(() => { said.textContent = text.replace(/\{(\w+)\}/g, (all, name) => facts[name] ?? all); });
      if (!good && navigator.vibrate) navigator.vibrate([200, 80, 200]);
    };
    const fitting = (code) => lines.filter((line) => line.dataset.codes.split("\n").includes(code.toUpperCase()));
    const scanned = (code) => {
      const fits = fitting(code);
      const line = fits.find((each) => !full(each)) || fits[0];
      if (!line && own.includes(code.toUpperCase()) && done) {
        if (lines.some((each) => count(each)?.max && !full(each))) say(false, scan.dataset.early, {});
        else done.click();
        return;
      }
      if (!line) { say(false, scan.dataset.wrong, { code }); return; }
      const facts = { sku: line.dataset.sku, all: most(line) };
      if (full(line)) { say(false, scan.dataset.full, facts); return; }
      count(line).value = Number(count(line).value) + 1;
      lines.forEach((each) => each.classList.toggle("is-now", each === line));
      say(true, facts.all ? scan.dataset.right : scan.dataset.more, { ...facts, n: count(line).value });
    };
    field.addEventListener("keydown", (e) => {
      if (e.key !== "Enter") return;
      const code = field.value.trim();
      if (ask && !code) { e.preventDefault(); return; }
      if (ask && !fitting(code).length) return;
      if (!code && !lines.length) return;
      if (lines.length || own[0]) { e.preventDefault(); field.value = ""; if (code) scanned(code); }
    });
    // what a scanner types while nothing has the focus goes into the field
    document.addEventListener("keydown", (e) => {
      if (e.key.length === 1 && !e.ctrlKey && !e.metaKey && !e.altKey && !e.target.closest("input, textarea, select, dialog[open]")) {
        e.stopImmediatePropagation();
        field.focus();
      }
    }, true);
    if (!$("[autofocus], [role=alert][tabindex]")) field.focus({ preventScroll: true });
  }

  $$("[data-print]").forEach((b) => b.addEventListener("click", () => print()));
})();
