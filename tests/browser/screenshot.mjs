// Takes the README's picture of the demo, which somebody has started:
//
//   node tests/browser/screenshot.mjs URL USER PASSWORD tests/browser/inbox.png

import { withBrowser } from "./chromium.mjs";

const [url, user, password, picture] = process.argv.slice(2);

await withBrowser(60, async (browser) => {
  const context = await browser.newContext({
    httpCredentials: { username: user, password },
    viewport: { width: 1040, height: 640 },
  });
  const page = await context.newPage();
  await page.goto(url);
  await page.locator("#messages tbody tr").filter({ hasText: "Welcome to the shop" }).click();
  await page.frameLocator("#message iframe").locator("body").getByText("Welcome").first().waitFor();
  await page.screenshot({ path: picture });
});
