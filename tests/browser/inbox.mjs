// A person at the inbox behind the gate: a wrong password, the right one, a mail that comes while the page is open.
//
//   node inbox.mjs URL USER PASSWORD SCREENSHOT
//
// It cannot send mail. When it is ready for one it prints `send a mail: SUBJECT`.

import assert from "node:assert/strict";

import { withBrowser } from "./chromium.mjs";

const [url, user, password, screenshot] = process.argv.slice(2);

/** A page of somebody who answers the question for a login with this password. */
async function pageWith(browser, password) {
  const context = await browser.newContext({ httpCredentials: { username: user, password } });
  context.setDefaultTimeout(15_000); // what does not come has to be told before whoever started this gives up
  return context.newPage();
}

async function aWrongPasswordShowsThePageThatSaysSo(browser) {
  const page = await pageWith(browser, `${password}x`);
  const answer = await page.goto(url);
  assert.equal(answer.status(), 401);
  assert.match(await page.locator("h1").innerText(), /\S/, "a page, not an empty window");
  assert.equal(await page.locator("#messages").count(), 0);
  console.log("a wrong password is refused");
}

async function theInboxWorks(browser) {
  const page = await pageWith(browser, password);
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => complaints.push(`it asked: ${dialog.message()}`) && dialog.dismiss());
  page.on("response", (answer) => answer.status() >= 400 && complaints.push(`${answer.status()} ${answer.url()}`));
  const frames = [];
  page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => frames.push(String(payload))));

  await page.goto(url);
  const rows = page.locator("#messages tbody tr");
  await rows.nth(5).waitFor();
  assert.equal(await rows.count(), 6, "the demo's six mails");
  await page.waitForFunction(() => window.MailCatcher.websocket.readyState === WebSocket.OPEN);

  await page.evaluate(() => { window.neverReloaded = true; });
  const subject = "Live through the gate";
  console.log(`send a mail: ${subject}`);
  const arrived = rows.filter({ hasText: subject });
  await arrived.waitFor();
  assert.ok(await page.evaluate(() => window.neverReloaded), "the page was reloaded");

  await arrived.click();
  await page.frameLocator("#message iframe").getByText("It came while the page was open.").waitFor();
  await page.screenshot({ path: screenshot });
  assert.ok(frames.some((frame) => frame.includes(subject)), `the socket did not bring it: ${frames}`);
  assert.deepEqual(complaints, []);
}

await withBrowser(60, async (browser) => {
  console.log("the browser runs");
  await aWrongPasswordShowsThePageThatSaysSo(browser);
  await theInboxWorks(browser);
});
