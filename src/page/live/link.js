// The socket: opened again whenever it is gone or may be, with growing pauses, and at once when somebody comes back.

/** The first and the longest pause between two tries, in ms. */
const SOON = 500;
const LATE = 30_000;
/** Over how long pages come back when the catcher was restarted, so that not all do in one instant, in ms. */
const SPREAD = 2000;
/** How long an opening may take, in ms. */
const PATIENCE = 10_000;
/** How long the question who is asking may take, after how long it is asked once more, and how often, in ms. */
const QUESTION = { patience: 3000, pause: 1000, times: 8 };
/** How long an old socket may take to say goodbye, in ms, or it was dead. */
const GOODBYE = 3000;
/** After how long a silence a socket is tried when somebody returns, in ms. */
const SILENCE = 10_000;
/** The gate says something at least so often, in ms, unless it says otherwise; after how many of these a silent socket is
 * tried. */
const BEAT = 30_000;
const BEATS = 2.5;
/** How long a socket has held that broke by chance, in ms. */
const HELD = 5000;
/** How often the clock is looked at, and after what gap the machine must have slept, in ms. A hidden tab's timers may run
 * once a minute. */
const TICK = 5000;
const GAP = { seen: 15_000, hidden: 90_000 };

/** Close codes (RFC 6455 section 7.4.1): the user may not have it any more; the catcher was restarted. */
const REVOKED = 1008;
const RESTARTED = 1012;

/**
 * A socket that comes back. One whose other end went without a word looks open for good, and a browser does not tell of
 * pings; so the gate says something at each beat. One that may be dead is not asked: a new one is opened beside it, and then
 * the old one is closed. If it says goodbye nothing was missed; if it does not, the list is asked for.
 *
 * The first is the page's own. It is replaced in the same way by one that the gate knows to be ours.
 *
 * `on` has what it tells: `taken(socket)`, `frame(event)`, `missed()` (something may have been), `state(name)` with `live`,
 * `down`, `gone` (nobody knows this user any more) or `barred` (he may not view), and `me(who)`, who is logged in.
 */
class Link {
  constructor(socket, own, on) {
    const url = new URL(socket.url);
    url.searchParams.set("mailwarden", "1");
    this.url = url.href;
    this.own = own;
    this.isOurs = false;
    this.beat = BEAT;
    this.on = on;
    this.tries = 0;
    this.begun = 0;
    this.ticked = Date.now();
    this.take(socket);
    this.listen();
    this.open();
  }

  get isOpen() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  // --- one socket

  take(socket) {
    this.socket = socket;
    this.heard = this.taken = Date.now();
    socket.onmessage = (event) => {
      this.heard = Date.now();
      this.on.frame(event);
    };
    // That of the page's own is awaited by the opening of the first of ours.
    if (socket.url === this.url) {
      this.isOurs = true;
      socket.addEventListener("close", (event) => socket === this.socket && this.closed(event.code));
    }
    this.on.taken(socket);
  }

  opened() {
    this.on.state("live");
    this.on.missed();
  }

  closed(code) {
    this.on.state("down");
    // One that held for a while and broke says nothing of the next.
    if (Date.now() - this.taken > HELD) this.tries = 0;
    const pause = this.tries > 0 ? undefined : { [REVOKED]: 0, [RESTARTED]: Math.random() * SPREAD }[code];
    this.tries += 1;
    this.again(pause);
  }

  // --- coming back

  again(pause = Math.min(LATE, SOON * 2 ** this.tries) * (0.5 + Math.random())) {
    clearTimeout(this.timer);
    if (!this.stopped) this.timer = setTimeout(() => this.open(), pause);
  }

  /** Opens a socket, beside the one there is if that seems open. */
  async open() {
    if (this.opening || this.stopped) return;
    clearTimeout(this.timer);
    this.opening = true;
    this.begun = Date.now();
    const opened = await this.tried();
    this.opening = false;
    if (opened) {
      this.swap(opened);
    } else {
      this.tries += 1;
      if (!this.stopped) this.on.state("down");
      this.again();
    }
  }

  async tried() {
    const { status } = await this.ask();
    // A handshake that is refused does not say why to a script, so it is asked before.
    if (status === 401 || status === 403) this.stop(status === 401 ? "gone" : "barred");
    // Without the gate's own area (`page.enhance` was turned off) there may be a socket all the same.
    if (this.stopped || !(status === 200 || status === 404)) return null;
    const socket = new WebSocket(this.url);
    const early = [];
    socket.onmessage = (event) => early.push(event);
    const opened = await within(PATIENCE, new Promise((resolve) => {
      socket.onopen = () => resolve(true);
      socket.onclose = () => resolve(false);
    }));
    if (opened && socket.readyState === WebSocket.OPEN) return { socket, early };
    socket.close();
    return null;
  }

  /** Who is asking, and so whether the gate can be reached. */
  async ask() {
    const answer = await hedged(this.own("me"));
    if (answer.status === 200) {
      this.hasLoginPage = Boolean(answer.json.login);
      this.on.me(answer.json);
    }
    return answer;
  }

  async swap({ socket, early }) {
    const old = this.socket;
    const wasOpen = this.isOurs && this.isOpen;
    const left = wasOpen && new Promise((resolve) => old.addEventListener("close", (event) => resolve(event.wasClean)));
    let late = false;
    old.onmessage = () => { late = true; }; // the new one has it too, unless it was on its way for long
    this.take(socket);
    early.forEach((event) => socket.onmessage(event));
    old.close(1000);
    if (!wasOpen) return this.opened();
    this.on.state("live");
    if (!(await within(GOODBYE, left)) || late) this.on.missed();
  }

  stop(state) {
    this.stopped = state;
    clearTimeout(this.timer);
    this.on.state(state);
  }

  // --- who comes back, and clocks that jump

  listen() {
    const returns = () => document.hidden || this.wake(SILENCE);
    document.addEventListener("visibilitychange", returns);
    addEventListener("focus", returns);
    addEventListener("pageshow", (event) => event.persisted && this.wake(0));
    addEventListener("online", () => this.wake(0));
    navigator.connection?.addEventListener?.("change", () => this.wake(0));
    setInterval(() => this.tick(), TICK);
  }

  tick() {
    const gap = Date.now() - this.ticked;
    this.ticked += gap;
    if (gap > GAP[document.hidden ? "hidden" : "seen"]) this.wake(0);
    else if (this.isOpen) this.wake(BEATS * this.beat);
  }

  /** The socket is opened now if it is not, and tried if nothing came on it for `silence`. */
  wake(silence) {
    const since = Date.now() - this.begun;
    if (this.stopped) {
      // He may have logged in again in another tab. To ask with a password that is wrong now would be to guess.
      if (this.stopped !== "gone" || !this.hasLoginPage || since < SILENCE) return;
      this.stopped = null;
      this.open();
    } else if (this.isOpen ? Date.now() - this.heard >= silence : since >= SOON || since < 0) {
      this.tries = 0;
      this.open();
    }
  }
}

/**
 * What an address answers: its status, 0 for none, and what it says if that is JSON. Asked again before it has answered:
 * when a network forgot the connections that a browser keeps, each of them would cost its own patience.
 */
async function hedged(url) {
  const answers = [];
  for (let times = 0; times < QUESTION.times; times += 1) {
    const answer = fetched(url, QUESTION.patience);
    answers.push(answer.then((answer) => answer.late ? new Promise(() => {}) : answer));
    const first = await within(QUESTION.pause, Promise.race(answers));
    if (first) return first;
  }
  return { status: 0 };
}

/** The same, asked once; `late` if there was no answer in time. */
async function fetched(url, patience) {
  const control = new AbortController();
  const timer = setTimeout(() => control.abort(), patience);
  try {
    // As jQuery says it: the gate has no browser ask for a password because a script came with a wrong one.
    const headers = { Accept: "application/json", "X-Requested-With": "XMLHttpRequest" };
    const answer = await fetch(url, { headers, cache: "no-store", redirect: "error", signal: control.signal });
    return { status: answer.status, json: answer.ok ? await answer.json() : null };
  } catch {
    return { status: 0, late: control.signal.aborted };
  } finally {
    clearTimeout(timer);
  }
}

/** What `promise` comes to, or undefined if that takes longer. */
function within(time, promise) {
  return Promise.race([promise, new Promise((resolve) => setTimeout(resolve, time))]);
}
