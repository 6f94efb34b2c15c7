// Says of each address whether a browser takes its certificate.
//
//   HOME=FOLDER node trusted.mjs URL...
//
// The browser trusts what FOLDER/.pki/nssdb does, and nothing is waved through. One line an address: "ok" or the reason.

import { withBrowser } from "./chromium.mjs";

await withBrowser(60, async (browser) => {
  for (const url of process.argv.slice(2)) {
    const page = await browser.newPage(); // the error page of the one before is still on its way
    const told = await page.goto(url).then((answer) => (answer.ok() ? "ok" : `status ${answer.status()}`), reason);
    console.log(`${url} ${told}`);
  }
});

function reason(error) {
  return error.message.match(/net::(\w+)/)?.[1] ?? error.message;
}
