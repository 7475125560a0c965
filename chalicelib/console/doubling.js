// Pauses between tries: each twice the last up to a bound, and spread, so that a thousand pages do not come
// back in the same moment.
export class Doubling {
  #nextMs;

  constructor(firstMs, mostMs) {
    this.firstMs = this.#nextMs = firstMs;
    this.mostMs = mostMs;
  }

  next() {
    const ms = this.#nextMs * (0.5 + Math.random() / 2);
    this.#nextMs = Math.min(this.#nextMs * 2, this.mostMs);
    return ms;
  }

  // A try went well: the next failure begins anew.
  reset() {
    this.#nextMs = this.firstMs;
  }
}
