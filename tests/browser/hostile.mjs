// A person who opens hostile mails, in the page's frame and in tabs of their own, and clicks on what is in them.
//
//   node hostile.mjs open|shut URL USER PASSWORD [PICTURES]
//
// The mails of `mails/` are in the inbox. `shut` claims that none of them comes to anything; `open` is the same without
// the gate, and claims that each does what its `X-Without-The-Gate` says: an attack that fails anyway shows nothing.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { startCanary } from "./canary.mjs";
import { withBrowser } from "./chromium.mjs";

const [mode, url, user, password, pictures] = process.argv.slice(2);
const shut = mode === "shut";
const folder = join(import.meta.dirname, "mails");
const field = (mail, name) => mail.match(new RegExp(`^${name}: (.*)$`, "m"))?.[1];
const mails = readdirSync(folder).sort().map((file) => {
  const text = readFileSync(join(folder, file), "utf8");
  return { name: field(text, "Subject"), without: field(text, "X-Without-The-Gate"), part: field(text, "X-Parts") };
});

/** What a mail may not make the canary hear. */
const FORBIDDEN = ["/moved", "/frame", "/pwned.js", "/stolen"];

const canary = await startCanary();
await withBrowser(
  900,
  async (browser) => {
    const context = await browser.newContext({ httpCredentials: { username: user, password } });
    context.setDefaultTimeout(20_000);
    const ids = await idsOf(context);
    for (const mail of mails) {
      const seen = await open(context, mail, ids.get(mail.name));
      if (shut) cameToNothing(mail, seen);
      else did(mail, seen);
    }
  },
  { "evil.test": canary.port },
);
canary.close();
console.log("that was all");

async function idsOf(context) {
  const answer = await context.request.get(new URL("/messages", url.replace("dev.test", "127.0.0.1")).href);
  return new Map((await answer.json()).map((message) => [message.subject, message.id]));
}

/** Opens a mail in every way that there is, and tells what came of it. */
async function open(context, mail, id) {
  assert.ok(id, `${mail.name} is in the inbox`);
  const said = [];
  const listen = (message) => said.push(message.text());
  context.on("console", listen);
  const before = canary.hits.length;

  const inbox = await context.newPage();
  inbox.on("dialog", (dialog) => said.push(`PWNED ${dialog.message()}`) && dialog.dismiss());
  await inbox.goto(url);
  await inbox.locator("#messages tbody tr").nth(mails.length - 1).waitFor();
  const title = await inbox.title();
  await inbox.evaluate(() => { window.neverReloaded = true; });
  const answer = inbox.waitForResponse((answer) => answer.url().endsWith(`/messages/${id}.html`));
  await inbox.locator(`#messages tr[data-message-id="${id}"]`).click();
  await (await answer).finished();
  await settled(inbox);
  const place = () => {
    const frame = document.querySelector("#message iframe");
    frame.scrollIntoView({ block: "nearest" });
    return frame.getBoundingClientRect().toJSON();
  };
  const frame = await inbox.evaluate(place).catch(() => undefined); // it may have left already
  if (frame) await inbox.mouse.click(frame.x + 60, frame.y + 40);
  await fence(context);
  canary.release();
  await fence(context);
  if (pictures) await inbox.screenshot({ path: join(pictures, `${mail.name}.png`) });
  const inTheInbox = {
    url: inbox.url(),
    stayed: await inbox.evaluate(() => window.neverReloaded === true).catch(() => false),
    title: (await inbox.title().catch(() => "")) || title,
    frames: inbox.frames().slice(1).map((frame) => frame.url()),
    covered: await inbox.evaluate(() => document.elementFromPoint(300, 20)?.matches("iframe") ?? true).catch(() => true),
  };

  const tabs = [];
  const own = [`/messages/${id}.html`];
  if (mail.part) own.push(`/messages/${id}/parts/${mail.part}`);
  for (const path of own) {
    const tab = await context.newPage();
    const address = new URL(path, url).href;
    await tab.goto(address, { waitUntil: "domcontentloaded" }).catch(() => {}); // a download is none
    canary.release();
    // In a tab of its own a link is a link; what came as a part has nothing in it that should lead away.
    if (path.includes("/parts/")) await tab.mouse.click(60, 40);
    await fence(context);
    if (pictures && path.includes("/parts/")) await tab.screenshot({ path: join(pictures, `${mail.name}-part.png`) });
    tabs.push({ address, url: tab.url() });
  }
  const workers = context.serviceWorkers().length;
  for (const page of context.pages()) await page.close();
  context.off("console", listen);
  const hits = canary.hits.slice(before).filter((path) => path !== "/fence");
  return { said, hits, inTheInbox, title, tabs, workers };
}

/** Until the frame has a document, or one that is not for the page. */
async function settled(inbox) {
  await inbox
    .waitForFunction(() => {
      const inside = document.querySelector("#message iframe").contentDocument;
      return !inside || (inside.URL.includes("/messages/") && inside.readyState !== "loading");
    })
    .catch(() => {});
  await fence(inbox.context());
}

/**
 * Until everybody had a turn: each tab has drawn twice, and the canary was asked after all that asked before. That this is
 * long enough is shown by `open`, where the attacks come to something before it.
 */
async function fence(context) {
  for (const page of context.pages()) {
    await page.waitForLoadState("domcontentloaded").catch(() => {});
    const drawn = page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    // A tab that left meanwhile, or one behind, does not draw.
    await Promise.race([drawn.catch(() => {}), context.request.get(`http://127.0.0.1:${canary.port}/fence`)]);
  }
  for (let turn = 0; turn < 5; turn += 1) await context.request.get(`http://127.0.0.1:${canary.port}/fence`);
}

function cameToNothing(mail, { said, hits, inTheInbox, title, tabs, workers }) {
  const scripts = said.filter((text) => /^(PWNED|MOVED)/.test(text));
  const heard = hits.filter((path) => FORBIDDEN.some((forbidden) => path.startsWith(forbidden)));
  const { url: where, stayed, covered, frames } = inTheInbox;
  // What is written in the mail itself is a frame of the mail's, with its policy.
  const own = [url, "chrome-error:", "about:srcdoc"];
  const astray = frames.filter((frame) => frame !== "" && !own.some((place) => frame.startsWith(place)));
  const moved = tabs.filter((tab) => tab.url !== tab.address && tab.url !== "about:blank");
  assert.deepEqual(
    { scripts, heard, where, stayed, title: inTheInbox.title, covered, astray, moved, workers },
    { scripts: [], heard: [], where: url, stayed: true, title, covered: false, astray: [], moved: [], workers: 0 },
    mail.name,
  );
  console.log(`${mail.name}: nothing`);
}

function did(mail, { said, hits }) {
  const marks = {
    runs: said.some((text) => text.startsWith("PWNED")),
    moves: hits.some((path) => path.startsWith("/moved")),
    opens: hits.some((path) => path.startsWith("/opened")),
    none: true,
  };
  console.log(`${mail.name}: ${JSON.stringify(marks)} ${mail.without} ${hits} ${said}`);
  if (process.env.LOOK) return;
  assert.ok(marks[mail.without], `${mail.name} ${mail.without} without the gate: ${JSON.stringify({ said, hits })}`);
}
