// One order's events: what REST has, then what the stream brings; each `seq` once, and a gap is asked for.
import { effect, signal } from '@preact/signals';
import { watch } from './follow.js';
import { ask } from './session.js';
import { linkState } from './stream.js';

export class Timeline {
  order = signal(null);
  events = signal([]);
  problem = signal('');
  #bySeq = new Map();
  #isAsking = false;

  constructor(orderId) {
    this.orderId = orderId;
  }

  // Begins to follow; returns what ends it.
  follow() {
    const unwatch = watch((frame) => {
      if (frame.orderId === this.orderId) this.#take([frame]);
    });
    // Also after a reconnect: what was missed meanwhile comes after the last event that is here.
    const unlink = effect(() => {
      if (linkState.value === 'live') this.#ask();
    });
    this.#ask();
    return () => {
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
    try {
      const { events } = await ask(`/orders/${this.orderId}/events?afterSeq=${this.seq}`);
      this.#take(events);
      this.order.value = await ask(`/orders/${this.orderId}`);
      this.problem.value = '';
    } catch (error) {
      this.problem.value = error.message;
    } finally {
      this.#isAsking = false;
    }
  }

  #take(frames) {
    const before = this.#bySeq.size;
    for (const frame of frames) if (!this.#bySeq.has(frame.seq)) this.#bySeq.set(frame.seq, frame);
    if (this.#bySeq.size === before) return;
    this.events.value = [...this.#bySeq.values()].sort((one, other) => one.seq - other.seq);
    const last = this.events.value.at(-1);
    if (this.order.value && last.seq > this.order.value.seq) {
      const { seq, status, attempt } = last;
      this.order.value = { ...this.order.value, seq, status, attempt };
    }
    if (last.seq > this.seq) this.#ask();
  }
}
