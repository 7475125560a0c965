// The account's orders, each once, as its latest event has them. A frame counts only if its `seq` is new,
// so one that comes twice, or late, changes nothing.
import { signal } from '@preact/signals';
import { FINAL } from './words.js';

const SHOWN_WITHIN_MS = 100;
export const ROWS_MAX = 20_000;

export class Book {
  rows = new Map();
  ordered = []; // newest first
  version = signal(0);
  #isDue = false;
  #unknown = new Set();

  // onUnknown: there are rows of which only events are known, not the terms.
  constructor({ onUnknown = () => {} } = {}) {
    this.onUnknown = onUnknown;
  }

  get(orderId) {
    return this.rows.get(orderId);
  }

  // Takes an order event; `epoch` tells which connection brought it. Returns whether it was news.
  applyEvent(frame, epoch) {
    let row = this.rows.get(frame.orderId);
    if (!row) {
      row = {
        orderId: frame.orderId,
        clientOrderId: frame.clientOrderId,
        seq: 0,
        acceptedMs: Date.parse(frame.at),
      };
      this.#insert(row);
      this.#unknown.add(frame.orderId);
      this.onUnknown();
    }
    row.seenIn = epoch;
    if (frame.seq <= row.seq) return false;
    takeEvent(row, frame);
    this.changed();
    return true;
  }

  // Takes an order as REST shows it. What is older than the row only adds what the row does not know.
  applyOrder(order, epoch) {
    let row = this.rows.get(order.orderId);
    const acceptedMs = Date.parse(order.acceptedAt);
    if (!row) {
      row = { orderId: order.orderId, seq: 0, acceptedMs };
      this.#insert(row);
    } else if (row.acceptedMs !== acceptedMs) {
      this.#remove(row);
      row.acceptedMs = acceptedMs;
      this.#insert(row);
    }
    this.#unknown.delete(order.orderId);
    row.seenIn = epoch;
    const isOlder = order.seq < row.seq;
    const newer = isOlder ? { ...row } : {};
    // An amendment names the trigger's price alone.
    if (newer.trigger) newer.trigger = { ...order.trigger, ...newer.trigger };
    Object.assign(row, order, newer, { isKnown: true, acceptedMs });
    row.updatedMs = Math.max(row.updatedMs ?? 0, Date.parse(order.updatedAt));
    this.changed();
  }

  get unknown() {
    return this.#unknown;
  }

  unfinished() {
    return this.ordered.filter((row) => !FINAL.has(row.status));
  }

  changed() {
    if (this.#isDue) return;
    this.#isDue = true;
    setTimeout(() => {
      this.#isDue = false;
      this.version.value += 1;
    }, SHOWN_WITHIN_MS);
  }

  clear() {
    this.rows.clear();
    this.ordered = [];
    this.#unknown.clear();
    this.changed();
  }

  #insert(row) {
    this.rows.set(row.orderId, row);
    this.ordered.splice(this.#place(row), 0, row);
    if (this.ordered.length > ROWS_MAX) this.#forgetOldest();
  }

  #remove(row) {
    this.rows.delete(row.orderId);
    this.ordered.splice(this.ordered.indexOf(row), 1);
  }

  #forgetOldest() {
    for (let at = this.ordered.length - 1; at >= 0; at -= 1) {
      if (FINAL.has(this.ordered[at].status)) {
        this.#unknown.delete(this.ordered[at].orderId);
        this.#remove(this.ordered[at]);
        return;
      }
    }
  }

  #place(row) {
    let [low, high] = [0, this.ordered.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(this.ordered[middle], row)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const isBefore = (one, other) =>
  one.acceptedMs > other.acceptedMs || (one.acceptedMs === other.acceptedMs && one.orderId > other.orderId);

// What only certain events say, and a row shows on.
const KEPT = [
  'inputToken',
  'outputToken',
  'executedPrice',
  'inputAmount',
  'outputAmount',
  'txSignature',
  'code',
  'message',
  'reason',
  'limitPrice',
  'trigger',
  'timeInForce',
  'expiresAt',
  'observedPrice',
];

function takeEvent(row, frame) {
  row.seq = frame.seq;
  row.status = frame.status;
  row.attempt = frame.attempt;
  row.updatedMs = Date.parse(frame.at);
  if (frame.orderType) row.type = frame.orderType;
  for (const name of KEPT) if (frame[name] !== undefined) row[name] = frame[name];
  if (frame.amended) Object.assign(row, amendedTerms(row, frame.amended));
}

// An order's terms with what its owner changed, which an event names flat.
export function amendedTerms({ trigger }, { triggerPrice, expiresAt, ...changed }) {
  return {
    ...changed,
    ...(triggerPrice && { trigger: { ...trigger, price: triggerPrice } }),
    ...(expiresAt && { expiresAt, validUntil: expiresAt }),
  };
}
