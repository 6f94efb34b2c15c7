// The inbox page over HTTP/2: by which protocol its parts come, and whether mail that arrives shows up by itself.
//
//   node http2.mjs URL
//
// It cannot send mail itself: what it wants done it says in a line `do: mail: SUBJECT`. At the end a line for each protocol
// that something came by.

import { withBrowser } from "./chromium.mjs";

const [url] = process.argv.slice(2);

await withBrowser(60, async (browser) => {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true, // the certificate is of the moment
    httpCredentials: { username: "anna", password: "secret" },
  });
  const page = await context.newPage();
  await page.goto(url);
  for (const subject of ["First", "Second"]) {
    console.log(`do: mail: ${subject}`);
    await page.waitForSelector(`#messages tr:has-text("${subject}")`, { timeout: 20_000 });
  }
  const protocols = await page.evaluate(() => [
    ...new Set(
      ["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind)).map((entry) => entry.nextHopProtocol),
    ),
  ]);
  for (const protocol of protocols) console.log(`by: ${protocol}`);
});
