// What is learnt of a mail that is opened with mail.remote_content = "block" by a browser that connects ahead of requests.
//
//   node ahead.mjs URL USER PASSWORD
//
// The newest mail names evil.test to connect to, in a frame, and as a picture.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

import { startCanary } from "./canary.mjs";
import { withProfile } from "./chromium.mjs";

const [url, user, password] = process.argv.slice(2);

const canary = await startCanary();
await withProfile(60, { httpCredentials: { username: user, password } }, work, { "evil.test": canary.port });
canary.close();
console.log("that was all");

async function work(context) {
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  await page.goto(url);
  await page.locator("#messages tbody tr").first().click();
  await page.frameLocator("#message iframe").getByText("Nothing is loaded").waitFor();
  // No policy covers it. When Chromium has learnt to leave it, README.md says too little of "block".
  while (canary.connections() === 0) await pause(20);
  // A connection that is there would have been used by now: what the page asks goes the same way, and is answered.
  for (let turn = 0; turn < 5; turn += 1) assert.equal((await context.request.get(`http://127.0.0.1:${canary.port}/fence`)).status(), 200);
  assert.deepEqual(canary.hits.filter((path) => path !== "/fence"), [], "nothing is asked for");
}
