// Many tabs of many people, each of which notes when a mail's row is there.
//
//   node many.mjs URL TABS USERS SECONDS FILE
//
// A mail's subject is n-NUMBER; the last one is "the end". Times are those of this machine's clock, in ms.

import { writeFile } from "node:fs/promises";

import { withBrowser } from "./chromium.mjs";

const [url, tabs, users, seconds, file] = process.argv.slice(2);

/** Notes when rows come. */
function watch() {
  window.seen = {};
  window.ended = false;
  const note = (row) => {
    const subject = row.cells?.[2]?.textContent ?? "";
    if (/^n-\d+$/.test(subject)) window.seen[subject] ??= Date.now();
    window.ended ||= subject === "the end";
  };
  document.addEventListener("DOMContentLoaded", () => {
    const look = (records) => records.forEach((record) => record.addedNodes.forEach(note));
    new MutationObserver(look).observe(document.querySelector("#messages tbody"), { childList: true });
  });
}

/** Notes when a tab stood still: when a timer that is due each 20 ms was late. */
function stand() {
  window.stills = [];
  let ticked = Date.now();
  setInterval(() => {
    const now = Date.now();
    if (now - ticked > 60) window.stills.push([ticked + 20, now]);
    ticked = now;
  }, 20);
}

setInterval(() => console.log("still at it"), 5000).unref(); // whoever started this gives up on silence
await withBrowser(Number(seconds) + 240, async (browser) => {
  const contexts = await Promise.all(Array.from({ length: Number(users) }, async (_, user) => {
    const context = await browser.newContext({ httpCredentials: { username: `user${user}`, password: "secret" } });
    await context.addInitScript(watch);
    await context.addInitScript(stand);
    return context;
  }));
  const open = async (context) => {
    const page = await context.newPage();
    await page.goto(url);
    await page.locator(".mailwarden").getByText("logged in as").waitFor();
    return page;
  };
  const pages = (await Promise.all(contexts.map(async (context, user) => {
    const opened = [];
    for (let tab = user; tab < Number(tabs); tab += contexts.length) opened.push(await open(context));
    return opened;
  }))).flat();
  // An empty page, with nothing of ours and nothing to do: it tells how it is with the machine.
  const idle = await browser.newPage();
  await idle.evaluate(stand);
  console.log("all tabs are open");
  // One stands still for a while, as under a debugger.
  await pages[0].evaluate(() => { for (const until = Date.now() + 3000; Date.now() < until;); });
  const patience = (Number(seconds) + 180) * 1000;
  await Promise.all(pages.map((page) => page.waitForFunction(() => window.ended, null, { timeout: patience, polling: 500 })));
  const found = await Promise.all(pages.map((page) => page.evaluate(() => ({ seen: window.seen, stills: window.stills }))));
  await writeFile(file, JSON.stringify({ tabs: found, idle: await idle.evaluate(() => window.stills) }));
});
