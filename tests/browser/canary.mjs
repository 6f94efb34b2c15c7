// A server that nobody should hear from: what mails point at, and what it was asked.

import { createServer } from "node:http";

const PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="10" height="10" fill="#285"/></svg>';

const PAGES = {
  "/pixel.svg": ["image/svg+xml", PICTURE],
  "/pixel.css": ["text/css", ".remote { color: rgb(1, 2, 3); background-image: url(http://evil.test/from-css.svg) }"],
  "/pwned.js": ["text/javascript", "console.log('PWNED loaded script')"],
  "/frame": ["text/html", "<script>console.log('PWNED frame')</script>"],
  "/moved": ["text/html", "<title>moved</title><h1>Log in again</h1><script>console.log('MOVED')</script>"],
  // A page that a link leads to, as hostile to what opened it as it can be.
  "/opened": ["text/html", `<title>opened</title><h1>Opened</h1><script>
    const moved = "http://evil.test/moved";
    for (const reach of [() => opener.top, () => opener.parent, () => opener, () => opener.parent[0]]) {
      try { reach().location = moved } catch {}
      try { reach().location.replace(moved) } catch {}
      try { console.log("PWNED read " + reach().document.title) } catch {}
    }
    document.title = "tried";
  </script>`],
};

/**
 * Starts it. `hits` are the paths that it was asked for, `connections` says how many connections there were, asked or not;
 * what is slow is answered after `release`.
 */
export async function startCanary() {
  const hits = [];
  let waiting = [];
  const server = createServer((request, response) => {
    const path = request.url.split("?")[0];
    hits.push(path);
    response.setHeader("Access-Control-Allow-Origin", "*");
    const answer = () => {
      const [type, body] = PAGES[path] ?? (path.startsWith("/opened") ? PAGES["/opened"] : ["image/svg+xml", PICTURE]);
      response.setHeader("Content-Type", type);
      if (path === "/file.pdf") response.setHeader("Content-Disposition", "attachment");
      response.end(body);
    };
    if (path.startsWith("/slow")) waiting.push(answer);
    else answer();
  });
  let connections = 0;
  server.on("connection", () => { connections += 1; });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    port: server.address().port,
    hits,
    connections: () => connections,
    release() {
      for (const answer of waiting) answer();
      waiting = [];
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
