// Debian's Chromium, driven by playwright-core, which `tests/run` installs without a browser of its own.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";

const tools = resolve(process.env.TEST_TOOLS ?? "target/test-tools");
const { chromium } = createRequire(join(tools, "playwright", "package.json"))("playwright-core");

/**
 * Runs `work` with a browser that knows nothing yet, for so many seconds at most. `elsewhere` are more names that it
 * knows, each with the port that is asked whatever port an address says.
 */
export async function withBrowser(seconds, work, elsewhere = {}) {
  const browser = await chromium.launch({
    executablePath: find("chromium"),
    args: [...flags(elsewhere), QUIET], // and it connects to nobody ahead of a request
  });
  await within(seconds, browser, work);
}

/**
 * The same with a context that is set up by `options` and connects ahead of requests, as people's browsers do: for that it
 * needs a profile on disk.
 */
export async function withProfile(seconds, options, work, elsewhere = {}) {
  const folder = mkdtempSync(join(tmpdir(), "mailwarden-profile-"));
  try {
    const context = await chromium.launchPersistentContext(folder, {
      ...options,
      executablePath: find("chromium"),
      args: flags(elsewhere),
      ignoreDefaultArgs: [QUIET],
    });
    await within(seconds, context, work);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

const QUIET = "--disable-background-networking";

function flags(elsewhere) {
  const names = Object.entries(elsewhere).map(([name, port]) => `MAP ${name} 127.0.0.1:${port},`);
  return [
    // Browsers send no Sec-Fetch-* to a plain name, unlike to loopback: people reach the gate by name, so do tests.
    // The first rule that fits is taken.
    `--host-resolver-rules=${names.join("")}MAP *.test 127.0.0.1`,
    "--no-sandbox", // it refuses to run as root otherwise, and CI is root
    "--disable-gpu",
    "--disable-quic",
    // It calls home otherwise, which a closed network answers with noise.
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
    ...(process.env.BROWSER_FLAGS ?? "").split(" ").filter(Boolean), // of the test that starts it
  ];
}

async function within(seconds, browser, work) {
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
