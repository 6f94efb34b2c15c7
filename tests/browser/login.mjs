// A person at the login page of the gate, by a name that is not loopback: browsers say less of themselves there.
//
//   node login.mjs URL USER PASSWORD PICTURE-LIGHT PICTURE-DARK
//
// It cannot send mail. When it is ready for one it prints `send a mail: SUBJECT`.

import assert from "node:assert/strict";

import { withBrowser } from "./chromium.mjs";

const [url, user, password, light, dark] = process.argv.slice(2);
const login = new URL("/.mailwarden/login", url).href;

async function newPage(browser, options) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(15_000); // what does not come has to be told before whoever started this gives up
  return context.newPage();
}

/** Everything that a page should not do. */
function complaintsOf(page) {
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => complaints.push(`it asked: ${dialog.message()}`) && dialog.dismiss());
  return complaints;
}

async function fillIn(page, name, secret) {
  await page.getByLabel("User name").fill(name);
  await page.getByLabel("Password").fill(secret);
  await page.getByRole("button", { name: "Log in" }).click();
}

async function thePageLooksLikeOne(browser, colorScheme, picture) {
  const page = await newPage(browser, { colorScheme, viewport: { width: 480, height: 640 } });
  const complaints = complaintsOf(page);
  await page.goto(url);
  assert.equal(page.url(), login);
  await fillIn(page, "nobody<script>", "wrong");
  await page.getByRole("alert").waitFor();
  assert.equal(await page.getByLabel("User name").inputValue(), "nobody<script>", "what was typed is there still");
  await page.screenshot({ path: picture });
  // Chromium tells of the 401 itself.
  assert.deepEqual(complaints.filter((text) => !text.includes("status of 401")), []);
}

async function aPersonLogsInSeesMailArriveAndLogsOut(browser) {
  const page = await newPage(browser);
  const complaints = complaintsOf(page);
  const asked = [];
  page.on("request", (request) => asked.push(request));

  await page.goto(new URL("/?here", url).href);
  assert.equal(page.url(), `${login}?to=%2F%3Fhere`, "led to the form");
  assert.equal(await page.evaluate(() => document.activeElement.id), "user", "ready to be filled in");
  await fillIn(page, user, password);
  await page.waitForURL(new URL("/?here", url).href);
  const sent = asked.find((request) => request.method() === "POST");
  const fields = await sent.allHeaders();
  assert.equal(fields.origin, new URL(url).origin, "the form's own request says where it comes from");
  assert.equal(fields["sec-fetch-site"], undefined, "to a plain name nothing more is said");

  const rows = page.locator("#messages tbody tr");
  await rows.nth(5).waitFor();
  await page.waitForFunction(() => window.MailCatcher.websocket.readyState === WebSocket.OPEN);
  const subject = "Live to a session";
  console.log(`send a mail: ${subject}`);
  await rows.filter({ hasText: subject }).click();
  await page.frameLocator("#message iframe").getByText("It came while the page was open.").waitFor();

  // The page's own requests that change something are from here, and say so.
  const before = await rows.count();
  await page.keyboard.press("Delete");
  await page.waitForFunction((count) => document.querySelectorAll("#messages tbody tr").length === count, before - 1);
  assert.deepEqual(complaints, []);

  const cookies = await page.context().cookies();
  assert.equal(cookies.length, 1, JSON.stringify(cookies));
  assert.ok(cookies[0].httpOnly && cookies[0].sameSite === "Lax", JSON.stringify(cookies));
  assert.equal(await page.evaluate(() => document.cookie), "", "no script sees it");

  const other = await page.context().newPage();
  await other.goto(login);
  await other.getByRole("button", { name: "Log out" }).click();
  await other.getByText("You are logged out.").waitFor();
  await page.waitForFunction(() => window.MailCatcher.websocket.readyState === WebSocket.CLOSED);
  assert.equal((await page.context().cookies()).length, 0);
  await page.goto(url);
  assert.equal(page.url(), login, "the inbox asks for a login again");
}

/** At another port of the same host: to a browser that is the same site, so it sends the cookie along. */
async function anotherProgramOnTheHostCanDoNothingWithTheSession(browser) {
  const page = await newPage(browser);
  await page.goto(url);
  await fillIn(page, user, password);
  await page.waitForURL(url);
  const rows = page.locator("#messages tbody tr");
  await rows.nth(5).waitFor();
  const count = await rows.count();

  const evil = await page.context().newPage();
  const sent = [];
  evil.on("request", (request) => request.method() === "POST" && sent.push(request));
  const elsewhere = "http://dev.test:9/";
  await evil.route(elsewhere, (route) => route.fulfill({ contentType: "text/html", body: "<p>another program</p>" }));
  await evil.goto(elsewhere);
  const opened = await evil.evaluate(
    (address) =>
      new Promise((done) => {
        const socket = new WebSocket(address);
        socket.onopen = () => done("open");
        socket.onerror = () => done("refused");
      }),
    new URL("/messages", url).href.replace("http", "ws"),
  );
  assert.equal(opened, "refused");
  await evil.evaluate((address) => {
    const form = Object.assign(document.createElement("form"), { method: "post", action: address });
    document.body.append(form);
    form.submit();
  }, new URL("/.mailwarden/logout", url).href);
  await evil.getByText("Another site had your browser ask for this").waitFor();
  assert.match((await sent[0].allHeaders()).cookie ?? "", /mailwarden_session_/, "the cookie was sent along");
  await page.reload();
  await rows.nth(5).waitFor();
  assert.equal(await rows.count(), count, "still logged in, and nothing is gone");
}

/** As Safari, which sends no credentials on a socket; the page itself is asked for with them. */
async function theTicketAloneOpensTheSocket(browser) {
  const page = await newPage(browser);
  const basic = Buffer.from(`${user}:${password}`).toString("base64");
  await page.context().setExtraHTTPHeaders({ Authorization: `Basic ${basic}` });
  await page.goto(url);
  await page.context().setExtraHTTPHeaders({});
  const cookies = await page.context().cookies(new URL("/messages", url).href);
  assert.deepEqual(cookies.map(({ name, path, sameSite, httpOnly }) => ({ name, path, sameSite, httpOnly })), [
    { name: `mailwarden_${new URL(url).port}`, path: "/messages", sameSite: "Strict", httpOnly: true },
  ]);
  const open = () =>
    page.evaluate(
      (address) =>
        new Promise((done) => {
          const socket = new WebSocket(address);
          socket.onopen = () => done("open");
          socket.onerror = () => done("refused");
        }),
      new URL("/messages", url).href.replace("http", "ws"),
    );
  assert.equal(await open(), "open");
  await page.context().clearCookies();
  assert.equal(await open(), "refused", "it was the ticket that opened it");
}

await withBrowser(90, async (browser) => {
  console.log("the browser runs");
  await thePageLooksLikeOne(browser, "light", light);
  await thePageLooksLikeOne(browser, "dark", dark);
  await theTicketAloneOpensTheSocket(browser);
  await anotherProgramOnTheHostCanDoNothingWithTheSession(browser);
  await aPersonLogsInSeesMailArriveAndLogsOut(browser);
});
