// Many tabs of many people, each of which notes when a mail's row is there.
//
//   node many.mjs URL TABS USERS SECONDS FILE
//
// A mail's subject is n-NUMBER-TIME, the time being when it came, by this machine's clock; the last one is "the end".

import { writeFile } from "node:fs/promises";

import { withBrowser } from "./chromium.mjs";

const [url, tabs, users, seconds, file] = process.argv.slice(2);

/** Notes rows as they come: how long after the mail, and for how much of that this tab was given no processor. */
function watch() {
  window.seen = {};
  window.ended = false;
  const stills = [];
  let ticked = Date.now();
  const tick = () => {
    const now = Date.now();
    if (now - ticked > 150) stills.push([ticked, now]);
    ticked = now;
  };
  setInterval(tick, 50);
  const stillSince = (time) => stills.reduce((sum, [from, to]) => sum + Math.max(0, to - Math.max(from, time)), 0);
  const note = (row) => {
    const subject = row.cells?.[2]?.textContent ?? "";
    const [, time] = /^n-\d+-(\d+)$/.exec(subject) ?? [];
    if (time && !(subject in window.seen)) {
      tick();
      window.seen[subject] = { after: Date.now() - Number(time), still: stillSince(Number(time)) };
    }
    window.ended ||= subject === "the end";
  };
  document.addEventListener("DOMContentLoaded", () => {
    const look = (records) => records.forEach((record) => record.addedNodes.forEach(note));
    new MutationObserver(look).observe(document.querySelector("#messages tbody"), { childList: true });
  });
}

setInterval(() => console.log("still at it"), 5000).unref(); // whoever started this gives up on silence
await withBrowser(Number(seconds) + 180, async (browser) => {
  const contexts = [];
  for (let user = 0; user < Number(users); user += 1) {
    const context = await browser.newContext({ httpCredentials: { username: `user${user}`, password: "secret" } });
    await context.addInitScript(watch);
    contexts.push(context);
  }
  const pages = [];
  for (let tab = 0; tab < Number(tabs); tab += 1) {
    const page = await contexts[tab % contexts.length].newPage();
    await page.goto(url);
    await page.locator(".mailwarden").getByText("logged in as").waitFor();
    pages.push(page);
  }
  console.log("all tabs are open");
  // One stands still for a while, as under a debugger.
  const still = pages[0].evaluate(() => { for (const until = Date.now() + 3000; Date.now() < until;); });
  await still;
  const patience = (Number(seconds) + 120) * 1000;
  await Promise.all(pages.map((page) => page.waitForFunction(() => window.ended, null, { timeout: patience, polling: 200 })));
  const found = await Promise.all(pages.map((page) => page.evaluate(() => ({ seen: window.seen }))));
  await writeFile(file, JSON.stringify(found));
});
