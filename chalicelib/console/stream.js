// One WebSocket that comes back by itself. Frames of a batch are handed on one by one, in their order.
import { signal } from '@preact/signals';
import { Doubling } from './doubling.js';
import { websocketUrl } from './place.js';
import { token } from './session.js';

export const linkState = signal('offline'); // offline, connecting, live

const FIRST_DELAY_MS = 250;
const DELAY_MAX_MS = 10_000;
const PING_EVERY_MS = 25_000;
const ANSWER_WITHIN_MS = 10_000;

// What a gateway says of its own need not be JSON; of AWS's it is `{"message": "Internal server error", …}`.
function frameOf(data) {
  try {
    return JSON.parse(data);
  } catch {
    return { message: data };
  }
}

export class Stream {
  #socket = null;
  #pauses = new Doubling(FIRST_DELAY_MS, DELAY_MAX_MS);
  #timers = new Set();
  #isWanted = false;
  #lastHeard = 0;

  // onOpen: the connection is there, anew or again. onLost: it is not. onFrame: one frame.
  constructor({ onOpen, onLost, onFrame }) {
    this.onOpen = onOpen;
    this.onLost = onLost;
    this.onFrame = onFrame;
  }

  start() {
    if (this.#isWanted) return;
    this.#isWanted = true;
    addEventListener('online', this.#retryNow);
    this.#connect();
  }

  stop() {
    this.#isWanted = false;
    removeEventListener('online', this.#retryNow);
    this.#clearTimers();
    this.#socket?.close();
    this.#socket = null;
    linkState.value = 'offline';
  }

  send(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #retryNow = () => {
    if (this.#isWanted && this.#socket === null) {
      this.#clearTimers();
      this.#connect();
    }
  };

  #connect() {
    linkState.value = 'connecting';
    const url = new URL(websocketUrl());
    url.searchParams.set('batch', '1');
    const socket = token.value === null ? new WebSocket(url) : new WebSocket(url, ['bearer', token.value]);
    this.#socket = socket;
    socket.onopen = () => {
      this.#pauses.reset();
      this.#lastHeard = performance.now();
      linkState.value = 'live';
      this.#later(() => this.#ping(socket), PING_EVERY_MS);
      this.onOpen();
    };
    socket.onmessage = ({ data }) => {
      this.#lastHeard = performance.now();
      // API Gateway may send it over a route response for a function that answers by posts.
      if (data === '') return;
      const frame = frameOf(data);
      if (frame.type === 'batch') frame.frames.forEach((each) => this.onFrame(each));
      else this.onFrame(frame);
    };
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      this.#clearTimers();
      if (!this.#isWanted) return;
      linkState.value = 'connecting';
      this.#later(() => this.#connect(), this.#pauses.next());
      this.onLost();
    };
  }

  // A network that went away without a word is found by its silence.
  #ping(socket) {
    const asked = performance.now();
    socket.send('{"action":"ping"}');
    this.#later(() => {
      if (this.#lastHeard < asked) socket.close();
    }, ANSWER_WITHIN_MS);
    this.#later(() => this.#ping(socket), PING_EVERY_MS);
  }

  #later(run, ms) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, ms);
    this.#timers.add(timer);
  }

  #clearTimers() {
    this.#timers.forEach(clearTimeout);
    this.#timers.clear();
  }
}
