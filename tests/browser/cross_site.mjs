// A person who is logged in at the gate opens another site's page in the same browser.
//
//   node cross_site.mjs URL USER PASSWORD ALLOWED-ORIGIN HOSTILE-ORIGIN...
//
// Chromium adds the password only where the page is of the same registrable domain as the gate, be it another host or port:
// a colleague's program on the same server. To other domains' pages it lends it for forms alone. Other browsers lend more.
//
// Whoever starts it looks at what reached the catcher, and at what the gate says of it.

import assert from "node:assert/strict";

import { withBrowser } from "./chromium.mjs";

const [url, user, password, allowed, ...hostile] = process.argv.slice(2);
const at = (path) => new URL(path, url).href;
const listed = (page) => page.locator("#messages tbody tr");

/** Logs in as people's bookmarks do: from then on the browser adds the password by itself. */
async function loggedIn(browser) {
  const context = await browser.newContext();
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const withPassword = new URL(url);
  [withPassword.username, withPassword.password] = [user, password];
  await page.goto(withPassword.href);
  await listed(page).nth(4).waitFor();
  await page.waitForFunction(() => window.MailCatcher.websocket.readyState === WebSocket.OPEN);
  return page;
}

/** Everything that a page can try; what came of each. It runs in the page. */
async function attempts({ list, message, page, events, authorization }) {
  const outcome = {};
  const fetched = async (name, ...request) => {
    outcome[name] = await fetch(...request).then(
      async (answer) => (answer.type === "opaque" ? "opaque" : `${answer.status} ${(await answer.text()).length}`),
      () => "refused",
    );
  };
  const include = { credentials: "include" };
  await fetched("read", list, include);
  await fetched("read blindly", list, { ...include, mode: "no-cors" });
  await fetched("delete", message, { ...include, method: "DELETE" });
  await fetched("clear", list, { ...include, method: "DELETE" });
  await fetched("quit", page, { ...include, method: "DELETE" });
  await fetched("delete by a password", message, { method: "DELETE", headers: { Authorization: authorization } });
  await fetched("write blindly", list, { ...include, mode: "no-cors", method: "POST", body: "_method=DELETE" });
  outcome["delete blindly"] = await fetch(message, { ...include, mode: "no-cors", method: "DELETE" }).then(
    () => "sent",
    () => "refused",
  );
  const opened = (thing, name) =>
    new Promise((done) => {
      thing.onopen = thing.onload = () => done("open");
      thing.onerror = () => done("refused");
    }).then((what) => (outcome[name] = what));
  await opened(new WebSocket(list.replace("http", "ws")), "socket");
  const stream = new EventSource(events, { withCredentials: true });
  await opened(stream, "stream");
  stream.close();
  const before = Object.keys(window).length;
  for (const [name, tag] of [["image", "img"], ["script", "script"]]) {
    const element = document.createElement(tag);
    const done = opened(element, name);
    element.src = list;
    document.body.append(element);
    await done;
  }
  outcome.names = Object.keys(window).length - before;
  return outcome;
}

const targets = (authorization) => ({
  list: at("/messages"),
  message: at("/messages/1"),
  page: at("/"),
  events: at("/events"),
  authorization,
});

async function aHostilePageChangesNothingReadsNothingAndOpensNothing(inbox, hostile) {
  const count = await listed(inbox).count();
  const page = await inbox.context().newPage();
  await page.goto(hostile);
  const outcome = await page.evaluate(attempts, targets(`Basic ${btoa(`${user}:${password}`)}`));
  console.log("the hostile page:", hostile, JSON.stringify(outcome));
  for (const name of ["read", "delete", "clear", "quit", "delete by a password", "delete blindly", "socket", "stream"]) {
    assert.equal(outcome[name], "refused", name);
  }
  // MailCatcher's mail cannot even be embedded by a page that the browser lends the password to; else it is opaque to it.
  assert.ok(["opaque", "refused"].includes(outcome["read blindly"]), outcome["read blindly"]);
  assert.equal(outcome["write blindly"], "opaque", "write blindly");
  assert.equal(outcome.names, 0, "a script made of the list defines nothing");

  await page.evaluate((address) => {
    const form = Object.assign(document.createElement("form"), { method: "post", action: address });
    document.body.append(form);
    form.submit();
  }, at("/messages"));
  await page.waitForURL(at("/messages"));
  console.log("the form:", (await page.locator("h1").innerText()).trim());
  await page.close();

  await inbox.reload();
  await listed(inbox).nth(count - 1).waitFor();
  assert.equal(await listed(inbox).count(), count);
}

async function aPageOfAnAllowedOriginDoesAllOfIt(inbox) {
  const page = await inbox.context().newPage();
  await page.goto(allowed);
  const outcome = await page.evaluate(
    async ({ list, message, authorization }) => {
      const headers = { Authorization: authorization };
      const [read, del] = [await fetch(list, { headers }), await fetch(message, { headers, method: "DELETE" })];
      const socket = await new Promise((done) => {
        const socket = new WebSocket(list.replace("http", "ws"));
        socket.onopen = () => done("open");
        socket.onerror = () => done("refused");
      });
      const ambient = await fetch(list, { credentials: "include" }).then((answer) => answer.status, () => "refused");
      return { read: read.status, length: (await read.json()).length, del: del.status, socket, ambient };
    },
    targets(`Basic ${btoa(`${user}:${password}`)}`),
  );
  console.log("the allowed page:", JSON.stringify(outcome));
  assert.deepEqual(outcome, { read: 200, length: 5, del: 204, socket: "open", ambient: 200 });
  await page.close();
}

await withBrowser(90, async (browser) => {
  console.log("the browser runs");
  const inbox = await loggedIn(browser);
  for (const origin of hostile) await aHostilePageChangesNothingReadsNothingAndOpensNothing(inbox, origin);
  await aPageOfAnAllowedOriginDoesAllOfIt(inbox);
  console.log("done");
});
