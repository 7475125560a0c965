// One order's events: what REST has, then what the stream brings; each `seq` once, and a gap is asked for.
import { effect, signal } from '@preact/signals';
import { amendedTerms } from './book.js';
import { watch } from './follow.js';
import { ask } from './session.js';
import { linkState } from './stream.js';

const AGAIN_AFTER_MS = 500;
const AGAIN_MOST_MS = 3_000;
const LATE_TRIES = 5; // some 10 s, since the server waits a moment as well

export class Timeline {
  order = signal(null);
  events = signal([]);
  problem = signal('');
  waiting = signal('Looking for the order…');
  #bySeq = new Map();
  #isAsking = false;
  #tries = 0;
  #timer = null;

  constructor(orderId) {
    this.orderId = orderId;
  }

  // Begins to follow; returns what ends it.
  follow() {
    this.#timer = null;
    const unwatch = watch((frame) => {
      if (frame.orderId === this.orderId) this.#take([frame]);
    });
    // Also after a reconnect: what was missed meanwhile comes after the last event that is here.
    const unlink = effect(() => {
      if (linkState.value === 'live') this.#ask();
    });
    this.#ask();
    return () => {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      unwatch();
      unlink();
    };
  }

  // The last event of an unbroken row from 1 on.
  get seq() {
    let seq = 0;
    while (this.#bySeq.has(seq + 1)) seq += 1;
    return seq;
  }

  async #ask() {
    if (this.#isAsking) return;
    this.#isAsking = true;
    let isMore = false;
    try {
      const { events } = await ask(`/orders/${this.orderId}/events?afterSeq=${this.seq}`);
      this.#take(events);
      this.order.value = this.#withNews(await ask(`/orders/${this.orderId}`));
      this.problem.value = this.waiting.value = '';
      this.#tries = 0;
      isMore = events.length > 0 && this.seq < this.order.value.seq; // an answer has a thousand at most
    } catch (error) {
      this.#askAgain(error);
    } finally {
      this.#isAsking = false;
    }
    if (isMore) this.#ask();
  }

  // The record may be a moment behind the acceptance, and a fault may pass.
  #askAgain(error) {
    const isLate = error.code === 'ORDER_NOT_FOUND' && this.order.value === null;
    this.#tries += 1;
    if (isLate && this.#tries < LATE_TRIES) {
      this.waiting.value =
        'This order is not on record yet. If it was just accepted, it shows here in a moment.';
    } else {
      this.problem.value = isLate ? 'Your account has no order of this id.' : error.message;
      this.waiting.value = '';
      if (!error.mayPass) return;
    }
    if (this.#timer === undefined) return; // no page looks any more
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => this.#ask(),
      Math.max(
        Math.min(AGAIN_MOST_MS, AGAIN_AFTER_MS * 2 ** (this.#tries - 1)),
        error.againAfterMs ?? 0,
      ),
    );
  }

  #take(frames) {
    const before = this.#bySeq.size;
    for (const frame of frames) if (!this.#bySeq.has(frame.seq)) this.#bySeq.set(frame.seq, frame);
    if (this.#bySeq.size === before) return;
    this.events.value = [...this.#bySeq.values()].sort((one, other) => one.seq - other.seq);
    if (this.order.value) this.order.value = this.#withNews(this.order.value);
    if (this.events.value.at(-1).seq > this.seq) this.#ask();
  }

  // An order that was read may be older than the events that came meanwhile.
  #withNews(order) {
    const last = this.events.value.at(-1);
    if (!last || last.seq <= order.seq) return order;
    const { seq, status, attempt, code, message } = last;
    const news = this.events.value.filter((event) => event.seq > order.seq && event.amended);
    const amend = (known, { amended }) => ({ ...known, ...amendedTerms(known, amended) });
    // Why it failed is said by that event, which nothing follows.
    return { ...news.reduce(amend, order), seq, status, attempt, ...(code && { code, message }) };
  }
}
