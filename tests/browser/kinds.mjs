// A mail with a script in it, opened by a person in the page of another catcher than MailCatcher, and in a tab of its own.
//
//   node kinds.mjs URL USER PASSWORD HTML SOURCE LIST
//
// HTML and SOURCE are where the catcher gives the mail, `ID` for its id, and LIST is its list. It prints `send a mail` when the page is open.

import assert from "node:assert/strict";

import { withBrowser } from "./chromium.mjs";

const [url, user, password, html, source, list] = process.argv.slice(2);

await withBrowser(90, work);
console.log("that was all");

async function work(browser) {
  const context = await browser.newContext({ httpCredentials: { username: user, password } });
  context.setDefaultTimeout(15_000);
  // Whatever runs a mail's script is told of by this, in any frame.
  const ran = [];
  await context.exposeBinding("tellThatItRan", (_source, where) => ran.push(where));
  const page = await context.newPage();
  const complaints = [];
  // A mail's script that is not run is told of on the console, and the catchers' own pages complain of things of theirs.
  page.on("console", (message) => {
    if (/Content Security Policy|Refused to/.test(message.text()) && !/sandboxed|allow-scripts|elsewhere/.test(message.text())) {
      complaints.push(message.text());
    }
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(url);
  await page.waitForLoadState("load");
  console.log("send a mail");
  // It comes without reloading.
  await page.getByText("a mail with a script").first().click();
  await page.waitForFunction(() => {
    const inside = [...document.querySelectorAll("iframe")].map((frame) => frame.contentDocument);
    return inside.some((document) => document?.body?.textContent.includes("It is shown"));
  });
  const mails = await page.evaluate((list) => fetch(list).then((answer) => answer.json()), list);
  const id = JSON.stringify(mails).match(/"id":\s*"?([a-zA-Z0-9]+)/)[1];
  for (const path of [html, source]) {
    const tab = await context.newPage();
    await tab.goto(new URL(path.replace("ID", id), url).href);
    await tab.waitForFunction(() => document.body?.textContent.includes("It is shown"));
    await tab.close();
  }
  assert.deepEqual(ran, [], "no script of the mail ran");
  assert.deepEqual(complaints, []);
}
