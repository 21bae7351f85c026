// Keeps an open page of the farm up to date. Without it every page works and loads itself again.
(() => {
  "use strict";
  const page = document.querySelector(".farm");
  if (!page) return;
  const BLOCK = 500; // as in lines.py
  const FOLLOWED = 20; // logs at a time, as in handlers.py; a person has opened the last of them
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const awake = () => document.hidden
    ? new Promise((done) => document.addEventListener("visibilitychange", done, { once: true })) : null;
  const parsed = (html) => { const holder = document.createElement("template"); holder.innerHTML = html; return holder.content; };

  // Times, written as durations.py and words.py write them.
  const soFar = (s) => {
    const whole = Math.max(Math.floor(s), 0);
    if (whole < 60) return `${whole} s`;
    if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
    if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor(whole % 3600 / 60)} min`;
    return `${Math.floor(whole / 86400)} d ${Math.floor(whole % 86400 / 3600)} h`;
  };
  const ago = (s) => {
    s = Math.floor(s);
    if (s < 10) return "just now";
    for (const [unit, name] of [[86400, "d"], [3600, "h"], [60, "min"]]) if (s >= unit) return `${Math.floor(s / unit)} ${name} ago`;
    return `${s} s ago`;
  };
  const left = (s) => s > 0 ? `about ${soFar(s + 1)} left` : `${soFar(-s)} longer than usual`;
  const say = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  const tick = () => {
    const now = Date.now() / 1000;
    for (const node of page.querySelectorAll("[data-age]")) say(node, ago(now - node.dataset.age));
    for (const node of page.querySelectorAll("[data-since]")) say(node, soFar(now - node.dataset.since));
    for (const node of page.querySelectorAll("[data-until]")) say(node, left(node.dataset.until - now));
  };
  setInterval(tick, 1000);

  // What changed is said once, in words, to those who listen.
  const announce = (texts) => { if (texts.length) page.querySelector("[data-announce]").textContent = texts.join(". "); };
  const sayings = (root) => new Set([...root.querySelectorAll("[data-says]"), ...(root.dataset?.says ? [root] : [])].map((node) => node.dataset.says));
  const swap = (old, fresh) => {
    const before = sayings(old), link = old.contains(document.activeElement) && document.activeElement.getAttribute("href");
    const texts = [...sayings(fresh)].filter((text) => !before.has(text));
    old.replaceWith(fresh);
    if (link) fresh.querySelector(`[href="${CSS.escape(link)}"]`)?.focus();
    ready(fresh);
    return texts;
  };

  // The tab says how it stands, in its title and in its icon.
  const MARKS = { passed: "m4.6 8.3 2.4 2.4 4.4-5", failed: "m5.4 5.4 5.2 5.2m0-5.2-5.2 5.2", errored: "M8 3.2v5.6m0 1.6v2.2" };
  const entitle = () => {
    const shown = page.querySelector(".farm-hero .farm-badge, h1 .farm-word"), status = shown?.textContent.trim();
    if (status) {
      page.dataset.title = page.dataset.title.replace(` ${page.dataset.status}`, ` ${status}`);
      page.dataset.status = status;
      const tone = getComputedStyle(shown).getPropertyValue("--farm-tone").trim(), mark = MARKS[status];
      const drawn = mark ? `<circle cx="8" cy="8" r="8" fill="${tone}"/><path d="${mark}" fill="none" stroke="#fff" stroke-width="2.2"/>`
        : `<circle cx="8" cy="8" r="6.2" fill="none" stroke="${tone}" stroke-width="3.4" ${status === "running" ? 'stroke-dasharray="27 12"' : ""}/>`;
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">${drawn}</svg>`, icon = document.createElement("link");
      for (const old of document.querySelectorAll('link[rel~="icon"]')) old.remove();
      icon.rel = "icon"; icon.type = "image/svg+xml"; icon.href = `data:image/svg+xml,${encodeURIComponent(svg)}`;
      document.head.append(icon);
    }
    const title = `${page.dataset.title} · farm`;
    if (document.title !== title) document.title = title;
  };
  entitle();

  // Browsers have a clipboard only for https and this machine; elsewhere what is selected can be copied.
  const copied = async (text) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
    const area = document.createElement("textarea"), focused = document.activeElement;
    area.value = text; area.className = "farm-unseen"; page.append(area); area.select();
    const done = document.execCommand("copy");
    area.remove(); focused?.focus();
    return done;
  };
  const ready = (root) => {
    for (const button of root.querySelectorAll(".farm-copy")) {
      const word = button.querySelector("span");
      button.hidden = false;
      button.onclick = async () => {
        word.textContent = await copied(button.dataset.copy) ? "copied" : "not copied";
        setTimeout(() => { word.textContent = "copy"; }, 2000);
      };
    }
    for (const form of root.querySelectorAll("form[data-confirm]")) form.onsubmit = () => confirm(form.dataset.confirm);
  };
  ready(page);

  // A page that is no longer true says so, and since when.
  let since = 0, stale = null;
  const heard = (well, asked = Date.now()) => {
    if (well) { since = 0; stale?.remove(); stale = null; return; }
    since ||= asked;
    if (stale || Date.now() - since < 2000) return;
    stale = document.createElement("p");
    stale.className = "farm-note farm-note-errored farm-stale";
    stale.textContent = `The farm does not answer. This page is as it was at ${new Date(since).toLocaleTimeString()} and goes on by itself.`;
    page.prepend(stale);
    announce([stale.textContent]);
  };

  // The list and the queues: the same page once more, and what differs is put in.
  const refresh = async (selector, every, put) => {
    for (;;) {
      await pause(every);
      await awake();
      const asked = Date.now();
      try {
        const answer = await fetch(location.href, { cache: "no-cache", signal: AbortSignal.timeout(15000) });
        heard(answer.ok, asked);
        if (!answer.ok) continue;
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(selector);
        const old = page.querySelector(selector);
        if (fresh && old) announce(put(old, fresh));
        tick();
      } catch { heard(false, asked); }
    }
  };
  const putList = (old, fresh) => {
    if (old.tagName !== fresh.tagName) return swap(old, fresh);
    const texts = [], have = new Map([...old.children].map((row) => [row.id, row]));
    [...fresh.children].forEach((row, at) => {
      const known = have.get(row.id);
      have.delete(row.id);
      if (known && known.dataset.version === row.dataset.version) { if (old.children[at] !== known) old.insertBefore(known, old.children[at]); return; }
      if (known) texts.push(...swap(known, row));
      else { old.insertBefore(row, old.children[at] || null); texts.push(row.dataset.says); }
    });
    for (const row of have.values()) row.remove();
    return texts;
  };
  const list = page.querySelector("[data-live-list]");
  if (list && !("still" in list.dataset)) refresh("[data-live-list]", 1500, putList);
  if (page.querySelector("[data-live-page]")) refresh("[data-live-page]", 2000, swap);
  if (!page.dataset.live) return;

  // One pipeline: a question that the server answers when something has changed.
  const logs = new Map();
  let asking = null, final = "final" in page.dataset, version = page.dataset.version;
  const whole = page.querySelector(".farm-whole"), follow = page.querySelector(".farm-follow");
  const scrolled = (log) => log.whole ? document.scrollingElement : log.node.querySelector(".farm-scroll");
  const atEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < 48;
  const toEnd = (box) => box.scrollTo({ top: box.scrollHeight, behavior: "instant" });
  const addressed = () => {
    const line = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (const old of page.querySelectorAll(".farm-target")) old.classList.remove("farm-target");
    if (line && line.closest(".farm-lines")) {
      if (line.hidden) for (const hidden of page.querySelectorAll(".farm-lines li[hidden]")) hidden.hidden = false;
      line.classList.add("farm-target"); line.scrollIntoView({ block: "center", behavior: "instant" }); return true; }
    return false;
  };
  // Groups fold: a line that begins one gets a button, which hides what is between it and the next one.
  const fold = (button) => {
    const closing = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!closing));
    let line = button.closest("li");
    for (;;) {
      line = line.nextElementSibling || line.parentElement.nextElementSibling?.firstElementChild;
      if (!line || line.classList.contains("farm-head") || line.classList.contains("farm-end")) break;
      line.hidden = closing;
    }
  };
  const foldable = (root) => {
    for (const text of root.querySelectorAll(".farm-head > span")) {
      const button = document.createElement("button");
      button.type = "button"; button.className = "farm-fold";
      button.setAttribute("aria-expanded", "true");
      button.onclick = () => fold(button);
      button.append(...text.childNodes);
      text.append(button);
    }
  };
  for (const lines of page.querySelectorAll(".farm-lines")) foldable(lines);
  const append = (log, html) => {
    const fresh = parsed(html);
    foldable(fresh);
    const rows = [...fresh.children], box = scrolled(log), follows = log.began && atEnd(box);
    const lines = log.node.querySelector(".farm-lines");
    log.node.querySelector(".farm-empty")?.remove();
    while (rows.length) {
      let last = lines.lastElementChild;
      if (!last || last.children.length >= BLOCK) { last = document.createElement("ol"); last.className = "farm-block"; lines.append(last); }
      last.append(...rows.splice(0, BLOCK - last.children.length));
    }
    const jumped = !log.addressed && addressed();
    log.addressed ||= jumped;
    if (follows && !jumped) toEnd(box);
    log.began = true;
    if (follow) follow.hidden = final || atEnd(box);
  };
  const open = (node, position, complete) => {
    const log = { node, position, complete, whole: node === whole, began: Boolean(position) };
    if (!position) log.node.querySelector(".farm-lines").replaceChildren();
    logs.set(node.dataset.step, log);
    asking?.abort();
  };
  for (const node of page.querySelectorAll("details[data-step]")) {
    if ("excerpt" in node.dataset) continue;
    const opened = () => { if (node.open && !logs.has(node.dataset.step)) { open(node, "", false); run(); } };
    node.addEventListener("toggle", opened);
    if (node.open) open(node, "", false);
  }
  if (whole) {
    open(whole, whole.dataset.position, "complete" in whole.dataset);
    logs.get(whole.dataset.step).addressed = addressed();
    // Flower's own script shifts the window once more when there is a fragment.
    addEventListener("load", addressed);
    addEventListener("hashchange", addressed);
    addEventListener("scroll", () => { follow.hidden = final || atEnd(document.scrollingElement); }, { passive: true });
    follow.onclick = () => toEnd(document.scrollingElement);
  } else if (/-L\d+$/.test(location.hash) && !addressed()) {
    const step = decodeURIComponent(location.hash.slice(1).replace(/-L\d+$/, ""));
    const node = page.querySelector(`details[data-step="${CSS.escape(step)}"]`);
    if (node && "excerpt" in node.dataset) location.replace(node.querySelector(".farm-log-bar a").href.split("#")[0] + location.hash);
    else if (node) node.open = true;
  }

  const unread = () => [...logs].filter(([, log]) => !log.complete);
  const put = (answer) => {
    const texts = [];
    if (answer.html !== null) {
      version = answer.version;
      if (answer.steps !== page.dataset.steps) { location.reload(); return; }
      for (const fresh of [...parsed(answer.html).querySelectorAll("[data-region]")]) {
        const old = page.querySelector(`[data-region="${CSS.escape(fresh.dataset.region)}"]`);
        for (const each of old?.querySelectorAll("details[id]") ?? []) { const same = fresh.querySelector(`#${CSS.escape(each.id)}`); if (same) same.open = each.open; }
        if (old && old.outerHTML !== fresh.outerHTML) texts.push(...swap(old, fresh));
      }
      // A stage that begins shows its log; one that fails is shown at its first error.
      let followed = unread().length;
      for (const node of page.querySelectorAll("details[data-step]:not([open])"))
        if (!node.dataset.shown && node.querySelector(".farm-is-running") && followed++ < FOLLOWED) { node.dataset.shown = "1"; node.open = true; }
    }
    for (const [step, part] of Object.entries(answer.logs)) {
      const log = logs.get(step);
      if (!log) continue;
      if (part.html) append(log, part.html);
      log.position = part.position;
      log.complete = part.complete;
    }
    const ended = answer.final && !final;
    final = answer.final || final;
    announce(texts);
    entitle();
    tick();
    if (ended && !whole && page.querySelector(".farm-hero.farm-is-failed, .farm-hero.farm-is-errored")) location.reload();
  };
  let running = false;
  const run = async () => {
    if (running) return;
    running = true;
    let failures = 0;
    for (;;) {
      await awake();
      const wanted = unread().slice(-FOLLOWED);
      if (final && !wanted.length) break;
      const query = new URLSearchParams({ version: failures ? "" : version }); // after a failure the answer comes at once
      for (const [step, log] of wanted) query.append("log", `${step}@${log.position}`);
      asking = new AbortController();
      try {
        const answer = await fetch(`${page.dataset.live}?${query}`, { signal: asking.signal, cache: "no-store" });
        if (!answer.ok) throw new Error(answer.status);
        put(await answer.json());
        failures = 0;
        heard(true);
      } catch (error) {
        if (error.name !== "AbortError") { heard(false); await pause(Math.min(500 * 2 ** failures++, 8000)); }
      }
      asking = null;
    }
    running = false;
    if (follow) follow.hidden = true;
  };
  run();
})();
