// What must go on working behind the gate: a mail with everything that mails have, opened by a person.
//
//   node shown.mjs allow|block URL USER PASSWORD PICTURE
//
// The newest mail is the one of `shown.eml`. `allow` and `block` are what the gate has for mail.remote_content. It prints
// `send a mail: SUBJECT` when it is ready for one.

import assert from "node:assert/strict";

import { startCanary } from "./canary.mjs";
import { withBrowser } from "./chromium.mjs";

const [mode, url, user, password, picture] = process.argv.slice(2);
const block = mode === "block";

const canary = await startCanary();
await withBrowser(90, work, { "evil.test": canary.port });
canary.close();
console.log("that was all");

async function work(browser) {
  const context = await browser.newContext({ httpCredentials: { username: user, password }, acceptDownloads: true });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const complaints = [];
  // What a mail names and may not have is told on the console: here what a click is to be reported to; gate or not, parts
  // of SVG of other origins.
  const expected = (text) => /^Unsafe attempt to load|\/ping' violates/.test(text) || (block && text.includes("Content Security Policy"));
  page.on("console", (message) => {
    if (message.type() === "error" && !expected(message.text())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => complaints.push(`it asked: ${dialog.message()}`) && dialog.dismiss());
  await page.goto(url);
  const row = page.locator("#messages tbody tr").filter({ hasText: "Everything that mails have" });
  await row.click();
  const id = await row.getAttribute("data-message-id");
  await inFrame(page, "a.link[target=_blank]");
  const shown = await page.evaluate(look);
  if (picture) await page.screenshot({ path: picture });
  assert.deepEqual(shown, {
    cid: true,
    data: true,
    background: "rgb(250, 240, 200)",
    ...(block
      ? { remote: false, remoteStyle: "rgb(0, 0, 0)", srcset: false }
      : { remote: true, remoteStyle: "rgb(1, 2, 3)", srcset: true }),
  });
  if (block) {
    // That it is not even connected to is this browser's merit, which is told not to: see ahead.mjs.
    assert.deepEqual(canary.hits, [], "nothing is asked for");
  } else {
    for (const path of ["/from-css.svg", "/font.woff2", "/film.mp4", "/table.svg"]) assert.ok(canary.hits.includes(path), path);
  }

  await aLinkOpensInANewTab(context, page, "a.link");
  await aLinkToAFileDownloadsIt(page);
  await theOtherViewsWork(context, page, id);
  await attachmentsAreDownloaded(page);
  await theListWorks(page);
  await aMailComesWhileThePageIsOpen(page);
  assert.deepEqual(complaints, []);
}

/** Waits until what is in the frame is complete and has such an element. */
function inFrame(page, selector) {
  return page.waitForFunction((selector) => {
    const inside = document.querySelector("#message iframe").contentDocument;
    return inside?.readyState === "complete" && inside.querySelector(selector) !== null;
  }, selector);
}

/** What is to be seen in the frame. The page may look: it is of the same origin. */
function look() {
  const inside = document.querySelector("#message iframe").contentDocument;
  const loaded = (selector) => inside.querySelector(selector).naturalWidth > 0;
  const style = (selector, name) => inside.defaultView.getComputedStyle(inside.querySelector(selector))[name];
  return {
    cid: loaded("img.cid"),
    data: loaded("img.data"),
    background: style("body", "backgroundColor"),
    remote: loaded("img.remote"),
    remoteStyle: style(".remote-style", "color"),
    srcset: loaded("img.srcset"),
  };
}

async function clickInFrame(page, selector) {
  const at = await page.evaluate((selector) => {
    const frame = document.querySelector("#message iframe");
    frame.scrollIntoView({ block: "nearest" });
    const link = frame.contentDocument.querySelector(selector);
    link.scrollIntoView({ block: "center" });
    const [outer, inner] = [frame, link].map((element) => element.getBoundingClientRect());
    return { x: outer.x + inner.x + inner.width / 2, y: outer.y + inner.y + inner.height / 2 };
  }, selector);
  await page.mouse.click(at.x, at.y);
}

async function aLinkOpensInANewTab(context, page, selector) {
  const opening = context.waitForEvent("page");
  await clickInFrame(page, selector);
  const opened = await opening;
  await opened.waitForFunction(() => document.title === "tried"); // its script has run: it is in no sandbox
  assert.equal(await opened.evaluate(() => `${document.referrer} ${opener}`), " null");
  await opened.close();
  assert.equal(page.url(), url);
}

async function aLinkToAFileDownloadsIt(page) {
  // The new tab is gone as soon as it turns out to be for a file, and the page is told.
  const coming = page.waitForEvent("download");
  await clickInFrame(page, "a.file");
  const download = await coming;
  assert.equal(download.suggestedFilename(), "file.pdf");
  assert.equal(await download.failure(), null);
}

async function theOtherViewsWork(context, page, id) {
  await page.locator("#message .views .plain a").click();
  await inFrame(page, "a[href='http://evil.test/opened-from-plain']");
  await aLinkOpensInANewTab(context, page, "a");
  const source = page.waitForResponse((answer) => answer.url().endsWith(`/messages/${id}.source`));
  await page.locator("#message .views .source a").click();
  await (await source).finished();
  await page.frameLocator("#message iframe").getByText("Subject: Everything that mails have").waitFor();
  await page.locator("#message .views .html a").click();
  await inFrame(page, "a.link[target=_blank]");
}

async function attachmentsAreDownloaded(page) {
  const links = [
    [page.locator("#message .attachments a", { hasText: "report.html" }), /^report\.html$/],
    [page.locator("#message .download a"), /\.eml$/],
  ];
  for (const [link, name] of links) {
    const coming = page.waitForEvent("download");
    await link.click();
    const download = await coming;
    assert.match(download.suggestedFilename(), name);
    assert.equal(await download.failure(), null);
  }
  assert.equal(page.url(), url);
}

async function theListWorks(page) {
  const rows = page.locator("#messages tbody tr:visible");
  const all = await rows.count();
  const search = page.locator("input[name=search]");
  await search.click();
  await page.keyboard.type("everything");
  await page.waitForFunction(() => [...document.querySelectorAll("#messages tbody tr")].filter((row) => row.offsetParent).length === 1);
  await search.press("Control+A");
  await search.press("Delete");
  await page.waitForFunction((all) => [...document.querySelectorAll("#messages tbody tr")].filter((row) => row.offsetParent).length === all, all);
  await search.blur();
  const selected = () => page.locator("#messages tr.selected").getAttribute("data-message-id");
  const before = await selected();
  await page.keyboard.press("ArrowDown");
  await page.waitForFunction((before) => document.querySelector("#messages tr.selected").dataset.messageId !== before, before);
}

async function aMailComesWhileThePageIsOpen(page) {
  await page.waitForFunction(() => window.MailCatcher.websocket.readyState === WebSocket.OPEN);
  console.log("send a mail: Live under a policy");
  await page.locator("#messages tbody tr").filter({ hasText: "Live under a policy" }).waitFor();
}
