// Mailwarden's part of the inbox page: waits for the page's own script, and takes over its socket if it is one that is
// known. To a page that is not, nothing happens.

/** How long the page's own script may take to start once the document is there, and how often it is looked for, in ms. */
const START = 10_000;
const LOOK = 50;
/** How long the list may take, in ms: a catcher that removes much mail answers nobody meanwhile. */
const LIST = 30_000;
/** The pauses before the list is asked for again when it could not be had, in ms. */
const RETRY = [1000, 2000, 5000, 15_000, 30_000];

const own = document.currentScript;

/** The parts of MailCatcher 0.7 to 0.10 that are used here, or null if one is not what it was. */
function known(page) {
  const methods = ["addMessage", "selectedMessage", "loadMessage", "unselectMessage", "updateMessagesCount"];
  const header = document.querySelector("html.mailcatcher > body > header");
  const box = document.querySelector("nav#messages");
  const is = header && box?.querySelector("tbody") && document.querySelector("article#message iframe.body") &&
    header.querySelector("nav.app") && methods.every((name) => typeof page[name] === "function") &&
    page.websocket instanceof WebSocket && typeof page.websocket.onmessage === "function" &&
    page.websocket.url.split(/[:/?#]/)[0].startsWith("ws");
  return is ? { header, box, show: page.websocket.onmessage } : null;
}

function start(page, { header: place, box, show }) {
  const header = new Header(place);
  const list = new List(page, box);
  const listUrl = new URL("messages", document.baseURI).href;
  const firstList = seen(listUrl);
  let syncing = false;
  let again = false;

  /** Asks for the list and shows what it holds; goes on until it could, and what is shown stays until then. */
  async function resync() {
    again = true;
    if (syncing) return;
    syncing = true;
    await firstList; // the page's own request would bring back what went since
    for (let tries = 0; again && !link?.stopped;) {
      again = false;
      list.begin();
      const { status, json } = await fetched(listUrl, LIST);
      if (status === 200 && Array.isArray(json)) {
        if (!(await list.sync(json))) again = true;
        header.failed(null);
        tries = 0;
      } else {
        // Without a socket the next one asks; it also finds out who may not any more.
        if (link?.isOpen) header.failed(new Date());
        again = true;
        const pause = RETRY[Math.min(tries, RETRY.length - 1)] * (0.75 + Math.random() / 2);
        tries += 1;
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
    syncing = false;
  }

  // Whoever clears at this page has it emptied when he is answered, of mail too that came while the catcher was at it.
  let isTold = false;
  const { clearMessages } = page;
  if (typeof clearMessages === "function") {
    page.clearMessages = () => {
      clearMessages.call(page);
      if (!isTold) resync();
    };
  }

  function frame(event) {
    const theirs = () => show.call(page.websocket, event);
    let told;
    try {
      told = JSON.parse(event.data);
    } catch {
      return;
    }
    switch (told?.type) {
      // A limit of the catcher's may take a message before it is told of.
      case "add": if (told.message) list.add(told.message, theirs); break;
      case "remove": list.remove(told.id); break;
      case "clear":
        isTold = true;
        list.clear(theirs);
        isTold = false;
        break;
      // From the gate: many that are gone, or that it is there still.
      case "mailwarden":
        if (told.beat > 0) link.beat = told.beat;
        told.removed?.forEach((id) => list.remove(id));
        break;
      default: theirs();
    }
  }

  addEventListener("keydown", (event) => {
    if (event.key === "Delete" || event.key === "Backspace") list.own = String(page.selectedMessage());
  });
  const on = {
    frame,
    missed: () => void resync(),
    me: (me) => header.knows(me),
    state: (name) => header.state(name),
    taken: (socket) => { page.websocket = socket; },
  };
  const link = new Link(page.websocket, (name) => new URL(name, own.src).href, on);
}

/** When the page's own list has been asked for and answered; after a while in any case. */
function seen(url) {
  return within(START, new Promise((resolve) => {
    const observer = new PerformanceObserver((list) => {
      if (list.getEntriesByName(url).length === 0) return;
      observer.disconnect();
      resolve();
    });
    observer.observe({ type: "resource", buffered: true });
  }));
}

function look(left) {
  const page = window.MailCatcher;
  const parts = page && known(page);
  if (parts) start(page, parts);
  else if (!page && left > 0) setTimeout(look, LOOK, left - LOOK);
}

if (document.readyState === "complete") look(START);
else addEventListener("DOMContentLoaded", () => look(START));
