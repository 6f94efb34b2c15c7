// The list of messages. What the socket tells is gathered for a moment and then done at once: one look at the layout and
// one new count for any number of frames, and never a message chosen that is about to go.

/** How long frames are gathered, in ms. */
const GATHER = 50;
/** How long no message may have gone before another is chosen in the place of one that went, in ms. A purge through the
 * gate tells what is gone once a second. */
const QUIET = 1500;
/** How many rows are changed in one go, so that the tab can breathe. */
const SLICE = 100;
/** From how many rows on looking through all of them is cheaper than looking for each. */
const MANY = 20;

class List {
  constructor(page, box) {
    this.page = page;
    this.box = box;
    this.body = box.querySelector("tbody");
    this.waiting = new Map(); // id -> what is to become of it: removed, then added
    this.looks = new WeakMap(); // row -> which mail it is for: ids come back
    this.since = null; // what frames told since the list was asked for
    this.lost = null; // the id of the chosen message, if it went
    this.own = null; // the id of the message that somebody at this page deletes
    // Staying in place is done here, and by every browser then.
    box.style.overflowAnchor = "none";
  }

  // --- frames

  /** A message is there; `show` has the page put its row on top. */
  add(message, show) {
    const id = String(message.id);
    const removed = this.waiting.get(id)?.removed ?? false;
    this.waiting.delete(id); // so that it stands behind those that came before it
    this.waiting.set(id, { removed, message, show });
    this.since?.added.add(id);
    this.since?.removed.delete(id);
    this.soon();
  }

  /** A message is gone. */
  remove(id) {
    id = String(id);
    this.waiting.set(id, { removed: true });
    this.since?.removed.add(id);
    this.since?.added.delete(id);
    this.soon();
  }

  /** All messages are gone; `show` has the page empty itself. */
  clear(show) {
    this.waiting.clear();
    if (this.since) this.since.cleared = true;
    this.lost = null;
    show();
  }

  soon() {
    this.timer ??= setTimeout(() => this.flush(), GATHER);
  }

  /** Does what waits, in slices. */
  flush(slice = SLICE) {
    clearTimeout(this.timer);
    this.timer = null;
    if (this.waiting.size === 0) return;
    const waiting = new Map([...this.waiting].slice(0, slice));
    for (const id of waiting.keys()) this.waiting.delete(id);
    if (this.waiting.size > 0) breath().then(() => this.flush());
    const row = this.finder(waiting.size);
    this.change(() => {
      for (const [id, what] of waiting) if (what.removed) this.drop(row(id));
      for (const [id, what] of waiting) {
        if (!what.message) continue;
        const old = what.removed ? undefined : row(id);
        if (old && this.isFor(old, what.message)) continue; // told twice, or the list was faster
        this.drop(old);
        this.put(what.message, what.show);
      }
    });
  }

  // --- the whole list

  /** From now on it is noted what frames tell: the list that is asked for now will not know. */
  begin() {
    this.since = { added: new Set(), removed: new Set(), cleared: false };
  }

  /** Makes the rows those of `messages` (oldest first) without touching those that are right. Whether it could: not when
   * all was cleared meanwhile. */
  async sync(messages) {
    this.flush(Infinity);
    const since = this.since;
    const listed = new Map(messages.map((message) => [String(message.id), message]));
    const rows = new Map(this.rows().map((row) => [row.dataset.messageId, row]));
    const gone = [...rows].filter(([id, row]) => {
      if (since.added.has(id)) return false;
      return !listed.has(id) || !this.isFor(row, listed.get(id));
    });
    for (const [id] of gone) rows.delete(id);
    const missing = messages.map((message, at) => at).filter((at) => !rows.has(String(messages[at].id)));
    for (let from = 0; from < gone.length; from += SLICE) {
      this.change(() => gone.slice(from, from + SLICE).forEach(([, row]) => this.drop(row)));
      await breath();
    }
    for (let from = 0; from < missing.length; from += SLICE) {
      await breath();
      this.flush(Infinity);
      if (since.cleared) break;
      this.change(() => {
        for (const at of missing.slice(from, from + SLICE)) this.insert(messages, at, rows, since);
      });
    }
    this.since = null;
    return !since.cleared;
  }

  /** Puts a row where the list has it: above the next older one. */
  insert(messages, at, rows, since) {
    const id = String(messages[at].id);
    if (since.removed.has(id) || since.added.has(id)) return;
    const row = this.put(messages[at], () => this.page.addMessage(messages[at]));
    if (!row) return;
    let older = null;
    for (let below = at - 1; below >= 0 && !older; below -= 1) {
      const next = rows.get(String(messages[below].id));
      if (next?.isConnected) older = next;
    }
    if (row.nextElementSibling !== older) this.body.insertBefore(row, older);
    rows.set(id, row);
  }

  // --- rows

  rows() {
    return Array.from(this.body.querySelectorAll("tr[data-message-id]"));
  }

  /** What finds `count` rows by their ids. */
  finder(count) {
    if (count < MANY) return (id) => this.body.querySelector(`tr[data-message-id="${CSS.escape(id)}"]`);
    const rows = new Map(this.rows().map((row) => [row.dataset.messageId, row]));
    return (id) => rows.get(id);
  }

  /** Has the page put a row on top, and notes which mail it is for. */
  put(message, show) {
    const before = this.body.firstElementChild;
    try {
      show();
    } catch (error) {
      console.warn("mailwarden: the page cannot show a message:", error); // the others are not to suffer
    }
    const row = this.body.firstElementChild;
    if (row === before || row?.dataset.messageId !== String(message.id)) return null;
    this.looks.set(row, mark(message));
    return row;
  }

  drop(row) {
    if (!row?.isConnected) return;
    if (row.classList.contains("selected")) this.lost = row.dataset.messageId;
    row.remove();
    this.went = Date.now();
  }

  /** Whether the row is for this very mail, and not for one that had its id before. */
  isFor(row, message) {
    const known = this.looks.get(row);
    if (known === undefined) this.looks.set(row, mark(message)); // the page's own: it has just asked
    return known === undefined || known === mark(message);
  }

  /** Changes rows: what is in view stays where it is, and the page counts once. */
  change(work) {
    const stay = this.anchor();
    const { page } = this;
    const own = Object.getOwnPropertyDescriptor(page, "updateMessagesCount");
    page.updateMessagesCount = () => {};
    try {
      work();
    } finally {
      delete page.updateMessagesCount;
      if (own) Object.defineProperty(page, "updateMessagesCount", own);
    }
    stay();
    page.updateMessagesCount();
    if (this.lost !== null) this.chooseSoon();
  }

  /** Notes which rows are in view; what it returns moves the list so that the first of them that is left stays. At the
   * top nothing is moved: there new mail comes into view. */
  anchor() {
    const { box } = this;
    if (box.scrollTop === 0) return () => {};
    // A list scrolls by whole pixels, and rows have parts of them: what was left over last time is made up for.
    const slip = box.scrollTop === this.scrolled ? this.slip : 0;
    const view = box.getBoundingClientRect();
    const seen = new Map();
    for (let y = view.top + 4; y < view.bottom; y += 10) {
      const row = document.elementFromPoint(view.left + 10, y)?.closest("#messages tr[data-message-id]");
      if (row && !seen.has(row)) seen.set(row, row.getBoundingClientRect().top);
    }
    return () => {
      const left = [...seen].find(([row]) => row.isConnected);
      if (!left) return;
      const [row, top] = left;
      box.scrollTop += row.getBoundingClientRect().top - (top - slip);
      this.slip = row.getBoundingClientRect().top - (top - slip);
      this.scrolled = box.scrollTop;
    };
  }

  // --- the chosen message went

  /** The next one is chosen once it is certain that it stays; at once for whoever deletes by hand. */
  chooseSoon() {
    clearTimeout(this.choosing);
    const wait = this.lost === this.own ? 0 : QUIET - (Date.now() - this.went);
    this.choosing = setTimeout(() => this.choose(), Math.max(0, wait));
  }

  choose() {
    const lost = this.lost;
    const rows = this.rows().filter((row) => row.offsetParent !== null); // those that a search leaves
    if (lost === null || this.page.selectedMessage() !== undefined) {
      this.lost = null; // somebody chose another meanwhile
    } else if (lost !== this.own && Date.now() - this.went < QUIET) {
      this.chooseSoon();
    } else {
      this.lost = null;
      this.own = null;
      // As the page does it: the next older, else the last there is.
      const next = rows.find((row) => Number(row.dataset.messageId) < Number(lost)) ?? rows.at(-1);
      if (next) this.page.loadMessage(next.dataset.messageId);
      else if (this.rows().length === 0) this.page.unselectMessage(); // it empties the list too
    }
  }
}

/** What tells two mails of one id apart, in the list and in a frame alike. */
function mark(message) {
  return JSON.stringify([Date.parse(message.created_at), message.sender, message.subject]);
}

/** Lets the browser paint and answer; a timer would take a second in a hidden tab. */
function breath() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => { port1.close(); resolve(); };
    port2.postMessage(null);
  });
}
