// The inbox page with the gate's script in it, while the way to the catcher breaks in every way there is.
//
//   node live.mjs URL SCENARIO FOLDER
//
// It can neither send mail nor break anything itself: what it wants done it says in a line `do: WHAT: SUBJECT`.

import assert from "node:assert/strict";
import { join } from "node:path";

import { withBrowser } from "./chromium.mjs";

const [url, scenario, folder] = process.argv.slice(2);
const please = (what) => console.log(`do: ${what}`);

/** A page of `user`, with what it asked for, what it complained of, and how often its frame was loaded. */
async function inbox(browser, user = "anna", options = {}) {
  const context = await browser.newContext({
    httpCredentials: user && { username: user, password: "secret" },
    viewport: { width: 1100, height: 700 },
    ...options,
  });
  context.setDefaultTimeout(15_000); // what does not come has to be told before whoever started this gives up
  const page = await context.newPage();
  const asked = [];
  const complaints = [];
  page.on("request", (request) => asked.push(`${request.method()} ${new URL(request.url()).pathname}`));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => complaints.push(`it asked: ${dialog.message()}`) && dialog.dismiss());
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
  });
  return Object.assign(page, { asked, complaints });
}

async function opened(browser, user, options) {
  const page = await inbox(browser, user, options);
  await page.goto(url);
  await live(page);
  return page;
}

/** Waits until the socket is open and the script has said who is there. */
async function live(page) {
  await page.waitForFunction(() => {
    const socket = window.MailCatcher?.websocket;
    return socket?.readyState === WebSocket.OPEN && socket.url.endsWith("/messages?mailwarden=1"); // the page's own has none
  });
  await page.locator(".mailwarden").getByText("logged in as").waitFor();
}

const rows = (page) => page.locator("#messages tbody tr");
const row = (page, subject) => rows(page).filter({ hasText: subject });
const ids = (page) => page.evaluate(() => [...document.querySelectorAll("#messages tbody tr")].map((row) => Number(row.dataset.messageId)));
const status = (page) => page.getByRole("status");

/** Lets the page's clock jump, as it does over a sleep. */
const sleep = (page) => page.evaluate(() => {
  const real = Date.now.bind(Date);
  Date.now = () => real() + 3_600_000;
});

/** Somebody looks at the tab again after a while. */
const returns = (page) => page.evaluate(() => {
  const real = Date.now.bind(Date);
  Date.now = () => real() + 11_000;
  window.dispatchEvent(new Event("focus"));
});

async function comesBack(browser) {
  please("deliver many: 40");
  const page = await opened(browser);
  await rows(page).nth(39).waitFor();

  // An old mail is open, and the list is scrolled to it.
  await row(page, "mail 7").first().click();
  await page.frameLocator("#message iframe").locator("body").waitFor();
  await page.evaluate(() => {
    window.frames_ = 0;
    document.querySelector("#message iframe").addEventListener("load", () => { window.frames_ += 1; });
    document.querySelector("#message iframe").contentWindow.name = "the same";
    window.neverReloaded = true;
  });
  const place = () => page.locator("tr.selected").evaluate((row) => row.getBoundingClientRect().top);
  const before = await place();
  assert.ok(await page.evaluate(() => document.querySelector("#messages").scrollTop) > 0, "the list is scrolled");

  const stays = async (subject) => {
    // Pauses between two tries grow to three quarters of a minute.
    await row(page, subject).waitFor({ state: "attached", timeout: 50_000 });
    const now = await ids(page);
    assert.deepEqual(now, [...now].sort((a, b) => b - a), "newest first");
    assert.equal(new Set(now).size, now.length, "each once");
    assert.equal(await page.evaluate(() => document.querySelector("tr.selected").cells[2].textContent), "mail 7");
    assert.equal(await page.evaluate(() => window.frames_), 0, "the frame was loaded again");
    assert.equal(await page.evaluate(() => document.querySelector("#message iframe").contentWindow.name), "the same");
    assert.ok(await page.evaluate(() => window.neverReloaded), "the page was reloaded");
    assert.ok(Math.abs((await place()) - before) < 2, `the chosen row moved from ${before} to ${await place()}`);
    await page.waitForFunction(() => window.MailCatcher.websocket.readyState === WebSocket.OPEN);
    await page.waitForFunction(() => document.querySelector(".mailwarden [role=status]").textContent === "");
    console.log(`came back: ${subject}`);
  };

  please("deliver: while all is well");
  await stays("while all is well");
  please("the catcher cuts: the catcher cut the socket");
  await stays("the catcher cut the socket");
  please("cut: the network cut it");
  await stays("the network cut it");
  please("restart the gate: the gate was restarted");
  await stays("the gate was restarted");

  please("silence: nobody said that it was gone");
  await sleep(page);
  await stays("nobody said that it was gone");
  please("silence: somebody comes back to the tab");
  await returns(page);
  await stays("somebody comes back to the tab");
  please("cut: asleep, and it said so");
  await sleep(page);
  await stays("asleep, and it said so");
  please("silence: nobody comes, and nothing happens");
  await row(page, "nobody comes, and nothing happens").waitFor({ state: "attached", timeout: 40_000 });
  await stays("nobody comes, and nothing happens");

  const lists = () => page.asked.filter((line) => line === "GET /messages").length;
  await page.context().setOffline(true);
  await page.evaluate(() => window.MailCatcher.websocket.close());
  await page.getByText("reconnecting").waitFor();
  await page.screenshot({ path: join(folder, "live-reconnecting.png") });
  please("deliver: without a network");
  await page.context().setOffline(false);
  await stays("without a network");

  please("cut, and fail to list: after two lists that failed");
  await page.getByText("The last update failed at").waitFor();
  assert.ok((await rows(page).count()) > 40, "what is shown stays");
  await stays("after two lists that failed");

  const asked = lists();
  await page.evaluate(() => document.querySelector('tr[data-message-id="3"]').remove());
  please("tell of something new");
  please("the catcher cuts: asked once");
  await stays("asked once");
  assert.equal(lists(), asked + 1);
  assert.ok((await ids(page)).includes(3), "what was missing in the middle is there");

  // The catcher forgot all of its mail, and its numbers begin anew.
  please("restart the catcher: the first of a new life");
  // After so many breaks the page may be in a long pause.
  await page.waitForFunction(() => document.querySelectorAll("#messages tbody tr").length === 1, null, { timeout: 50_000 });
  await row(page, "the first of a new life").waitFor();
  await page.waitForFunction(() => document.title === "MailCatcher (1)");
  assert.deepEqual(page.complaints, []);
  await page.screenshot({ path: join(folder, "live.png") });
}

/** The list is made, then mail comes and goes, and then the list arrives. */
async function staleList(browser) {
  const page = await opened(browser);
  // The page's own list, and the script's first.
  while (page.asked.filter((line) => line === "GET /messages").length < 2) await page.waitForEvent("request");
  please("hold the list");
  await page.waitForRequest((request) => request.url().endsWith("/messages"));
  please("deliver: the sixth");
  await row(page, "the sixth").waitFor();
  please("remove: 2");
  await row(page, "mail 2").waitFor({ state: "detached" });
  const arrives = page.waitForResponse((answer) => answer.url().endsWith("/messages"));
  please("let the list go");
  await (await arrives).finished();
  please("deliver: the seventh");
  await row(page, "the seventh").waitFor();
  assert.deepEqual(await ids(page), [7, 6, 5, 4, 3, 1]);
}

/** 3000 messages go, all but the newest or that too, by whoever `wanted` says. */
async function purge(browser, wanted, stays = true) {
  const page = await opened(browser);
  await rows(page).nth(2999).waitFor({ state: "attached" });
  await row(page, "mail 5").last().click(); // doomed, and so is all around it
  await page.frameLocator("#message iframe").locator("body").waitFor();
  // Processor time, and only its own: what else runs on this machine does not make the page slower than it is.
  await browser.startTracing(page, { categories: ["toplevel"] });
  const before = page.asked.length;
  please(wanted);
  const left = stays ? 1 : 0;
  await page.waitForFunction((left) => document.querySelectorAll("#messages tbody tr").length === left, left, { timeout: 50_000 });
  if (stays) await row(page, "mail 3000").and(page.locator(".selected")).waitFor();
  await page.waitForFunction((left) => document.title === `MailCatcher (${left})`, left);
  please("purge no more");
  please("deliver: after all of them");
  await row(page, "after all of them").waitFor();
  const asked = page.asked.slice(before);
  const longest = longestTask(JSON.parse(await browser.stopTracing()));
  console.log(`3000 removals (${wanted}): longest task ${longest} ms, asked for ${JSON.stringify(asked)}`);
  assert.ok(asked.length <= 5, `it asked for ${asked}`);
  const doomed = asked.filter((line) => line.includes("/messages/") && !line.includes("/messages/3000."));
  assert.deepEqual(doomed, [], "a message was chosen that was about to go");
  assert.ok(longest <= 100, `it stood still for ${longest} ms`);
  assert.deepEqual(page.complaints, []);
}

/** The longest task of a page's main thread in a trace, in ms of processor time. */
function longestTask({ traceEvents }) {
  const mains = traceEvents.filter((event) => event.name === "thread_name" && event.args.name === "CrRendererMain");
  const isMain = (event) => mains.some((main) => main.pid === event.pid && main.tid === event.tid);
  const tasks = traceEvents.filter((event) => event.ph === "X" && event.tdur !== undefined && isMain(event));
  assert.ok(tasks.length > 100, `${tasks.length} tasks were seen`);
  return Math.max(...tasks.map((task) => task.tdur)) / 1000;
}

/** Somebody clears much at this very page, and mail comes meanwhile. */
async function ownClear(browser) {
  const page = await opened(browser);
  await rows(page).nth(1499).waitFor({ state: "attached" });
  page.removeAllListeners("dialog");
  page.on("dialog", (dialog) => dialog.accept());
  const answered = page.waitForResponse((answer) => answer.request().method() === "DELETE", { timeout: 50_000 });
  await page.locator("nav.app .clear a").click();
  await page.waitForFunction(() => document.querySelectorAll("#messages tbody tr").length < 1500);
  please("deliver: in the midst of it");
  assert.equal((await answered).status(), 204);
  await page.waitForFunction(() => document.title === "MailCatcher (1)");
  await row(page, "in the midst of it").waitFor();
  assert.deepEqual(page.complaints, []);
}

/** Nothing happens, for some beats. */
async function quiet(browser) {
  const page = await opened(browser);
  const socket = await page.evaluateHandle(() => {
    const { websocket } = window.MailCatcher;
    window.beats = 0;
    websocket.addEventListener("message", () => { window.beats += 1; });
    return websocket;
  });
  please("count the sockets");
  const before = page.asked.length;
  await page.waitForFunction(() => window.beats >= 6, null, { timeout: 50_000 }); // two looks at the least
  assert.deepEqual(page.asked.slice(before), []);
  assert.ok(await page.evaluate((socket) => socket === window.MailCatcher.websocket, socket));
  please("find as many sockets");
  // What the gate says stops, and now the socket is doubted.
  please("silence: after the silence");
  await row(page, "after the silence").waitFor({ timeout: 30_000 });
}

/** The catcher ends and comes again, and so does the page. */
async function restart(browser) {
  const page = await opened(browser);
  await page.evaluate(() => {
    window.codes = [];
    window.MailCatcher.websocket.addEventListener("close", (event) => window.codes.push(event.code));
  });
  please("restart the catcher: the first of a new life");
  await row(page, "the first of a new life").waitFor();
  assert.deepEqual(await page.evaluate(() => window.codes), [1012]);
  await live(page);
  assert.deepEqual(await ids(page), [1]);
}

async function permissions(browser) {
  const ben = await opened(browser, "ben");
  await ben.getByText("logged in as ben").waitFor();
  assert.equal(await ben.locator("li.clear").isVisible(), false);
  assert.equal(await ben.locator("li.quit").isVisible(), false);
  assert.equal(await ben.getByRole("button", { name: "log out" }).count(), 0, "with a password there is no logout");
  await rows(ben).first().click();
  await ben.locator("tr.selected").waitFor();
  for (const key of ["Delete", "Backspace", "ArrowDown"]) await ben.keyboard.press(key);
  await ben.waitForFunction(() => document.querySelectorAll("#messages tr")[2].classList.contains("selected"));
  assert.deepEqual(ben.asked.filter((line) => line.startsWith("DELETE")), []);
  await ben.locator("input[name=search]").fill("xy");
  await ben.keyboard.press("Backspace");
  assert.equal(await ben.locator("input[name=search]").inputValue(), "x", "in a field the key does what it always does");
  await ben.screenshot({ path: join(folder, "live-ben.png") });

  const anna = await opened(browser, "anna");
  assert.ok(await anna.locator("li.clear").isVisible() && await anna.locator("li.quit").isVisible());
  await rows(anna).first().click();
  await anna.locator("tr.selected").waitFor();
  await anna.keyboard.press("Delete");
  await rows(anna).nth(2).waitFor({ state: "detached" });
  await anna.locator("tr.selected").waitFor();
  await rows(ben).nth(2).waitFor({ state: "detached" });
  assert.deepEqual([...ben.complaints, ...anna.complaints], []);
}

async function logOut(browser) {
  const page = await inbox(browser, null);
  const logIn = async (tab) => {
    await tab.getByLabel("User name").fill("anna");
    await tab.getByLabel("Password").fill("secret");
    await tab.getByRole("button", { name: "Log in" }).click();
    await live(tab);
  };
  await page.goto(url);
  await logIn(page);
  const other = await page.context().newPage();
  await other.goto(url);
  await live(other);

  await page.keyboard.press("Tab");
  await page.getByRole("button", { name: "log out" }).focus();
  await page.screenshot({ path: join(folder, "live-session.png") });
  await page.keyboard.press("Enter");
  await page.getByText("You are logged out.").waitFor();

  await other.getByText("You are logged out: nothing new is shown.").waitFor();
  assert.equal(await rows(other).count(), 3, "what was shown stays");
  await other.screenshot({ path: join(folder, "live-logged-out.png") });

  // Logged in again in one tab, and back in the other.
  await logIn(page);
  await returns(other);
  await live(other);
  assert.equal(await status(other).textContent(), "");
  await page.getByRole("button", { name: "log out" }).click();
  await page.getByText("You are logged out.").waitFor();
  await other.getByText("You are logged out: nothing new is shown.").waitFor();
  await other.getByRole("link", { name: "log in" }).click();
  await other.getByLabel("Password").waitFor();
  assert.deepEqual(page.complaints, []);

  // Somebody who is not among the users any more.
  await logIn(other);
  please("remove anna");
  await other.getByText("You are logged out: nothing new is shown.").waitFor();
}

async function policy(browser) {
  const page = await opened(browser);
  await rows(page).nth(2).click();
  await page.frameLocator("#message iframe").locator("body").waitFor();
  please("cut: after the cut");
  await row(page, "after the cut").waitFor();
  assert.deepEqual(await page.evaluate(() => window.violations), []);
  assert.deepEqual(page.complaints, []);
}

async function unknown(browser) {
  const page = await inbox(browser);
  await page.goto(url);
  await page.waitForLoadState("networkidle");
  assert.ok(page.asked.includes("GET /.mailwarden/live.js"), `${page.asked}`);
  assert.ok(!page.asked.includes("GET /.mailwarden/me"), `${page.asked}`);
  assert.equal(await page.locator(".mailwarden").count(), 0);
}

setInterval(() => console.log("still at it"), 5000).unref(); // whoever started this gives up on silence
const scenarios = {
  "comes-back": comesBack,
  purge: (browser) => purge(browser, "purge all but the newest"),
  "purge-elsewhere": (browser) => purge(browser, "remove all but the newest"),
  clear: (browser) => purge(browser, "clear", false),
  "own-clear": ownClear,
  quiet,
  restart,
  permissions,
  "log-out": logOut,
  policy,
  "stale-list": staleList,
  unknown,
};
await withBrowser(scenario === "comes-back" ? 170 : 100, scenarios[scenario]);
