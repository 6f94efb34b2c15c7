// Debian's Chromium, driven by playwright-core, which `tests/run` installs without a browser of its own.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join, resolve } from "node:path";

const tools = resolve(process.env.TEST_TOOLS ?? "target/test-tools");
const { chromium } = createRequire(join(tools, "playwright", "package.json"))("playwright-core");

/**
 * Runs `work` with a browser that knows nothing yet, for so many seconds at most. `elsewhere` are more names that it
 * knows, each with the port that is asked whatever port an address says.
 */
export async function withBrowser(seconds, work, elsewhere = {}) {
  const names = Object.entries(elsewhere).map(([name, port]) => `MAP ${name} 127.0.0.1:${port},`);
  const browser = await chromium.launch({
    executablePath: find("chromium"),
    args: [
      // Browsers send no Sec-Fetch-* to a plain name, unlike to loopback: people reach the gate by name, so do tests.
      // The first rule that fits is taken.
      `--host-resolver-rules=${names.join("")}MAP *.test 127.0.0.1`,
      "--no-sandbox", // it refuses to run as root otherwise, and CI is root
      "--disable-gpu",
      "--disable-quic",
      // It calls home otherwise, which a closed network answers with noise.
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${seconds} s`)), seconds * 1000);
  });
  try {
    return await Promise.race([work(browser), late]);
  } finally {
    clearTimeout(timer);
    await browser.close();
  }
}

function find(name) {
  const found = process.env.PATH.split(delimiter).map((directory) => join(directory, name)).find(existsSync);
  if (!found) throw new Error(`there is no ${name}: run tests/run, which installs it`);
  return found;
}
