// Keeps the book true: what the account's stream tells, and after a gap what it did not.
import { Book } from './book.js';
import { ask } from './session.js';
import { linkState, Stream } from './stream.js';
import { signal } from '@preact/signals';

const PAGE = 100;
const FIRST_PAGES = 2;
const PAGES_MAX = 200;
const OVERLAP_MS = 60_000; // clocks differ, and an order is on record a moment after it was accepted
const QUIET_MS = 400;
const QUIET_MOST_MS = 3_000; // a busy account is never quiet
const AT_ONCE = 4;
const AGAIN_AFTER_MS = 2_000;
const TERMS_EVERY_MS = 500;

export const problem = signal('');
export const hasOlder = signal(false);
export const isCatchingUp = signal(false);
export const isRead = signal(false); // at least once: an empty list is empty

let epoch = 0;
let heardMs = null; // until when the book is known to be true
let gapFromMs = null; // and since when it is not
let lastFrameMs = 0;
let olderCursor = null;
let isAskingTerms = false;
const watchers = new Set();

export const book = new Book({ onUnknown: learnTerms });
const stream = new Stream({ onOpen: () => catchUp(), onFrame: take });

export const start = () => stream.start();

export function stop() {
  epoch += 1;
  stream.stop();
  book.clear();
  problem.value = '';
  heardMs = gapFromMs = null;
  isRead.value = false;
}

// Calls `see` with every order event from now on; returns what ends that.
export function watch(see) {
  watchers.add(see);
  return () => watchers.delete(see);
}

function take(frame) {
  lastFrameMs = performance.now();
  if (frame.type === 'order') {
    if (gapFromMs === null && heardMs !== null) heardMs = Date.now();
    book.applyEvent(frame, epoch);
    watchers.forEach((see) => see(frame));
  } else if (frame.type === 'error') {
    problem.value = `${frame.code}: ${frame.message}`;
  }
}

async function catchUp() {
  const mine = ++epoch;
  gapFromMs ??= heardMs;
  const sinceMs = gapFromMs === null ? null : gapFromMs - OVERLAP_MS;
  isCatchingUp.value = true;
  // Subscribed before anything is read: what happens meanwhile comes by both ways, and counts once.
  stream.send({ action: 'subscribe' });
  try {
    const before = sinceMs === null ? [] : book.unfinished();
    await readNewest(mine, sinceMs);
    await quiet();
    // What was unfinished when the connection was lost, and is not among the unfinished that are replayed.
    await askEach(
      before.filter((row) => row.seenIn !== mine),
      mine,
    );
    if (mine !== epoch) return;
    gapFromMs = null;
    heardMs = Date.now();
    problem.value = '';
    isCatchingUp.value = false;
    isRead.value = true;
  } catch (error) {
    if (mine !== epoch) return;
    problem.value = `The list may lack orders: ${error.message}`;
    await pause(AGAIN_AFTER_MS);
    if (mine === epoch && linkState.value === 'live') catchUp();
  }
}

async function readNewest(mine, sinceMs) {
  let cursor = null;
  for (let page = 0; page < (sinceMs === null ? FIRST_PAGES : PAGES_MAX) && mine === epoch; page += 1) {
    const read = await readPage(cursor, mine);
    cursor = read.nextCursor;
    const last = read.orders.at(-1);
    if (cursor === null || (sinceMs !== null && Date.parse(last.acceptedAt) < sinceMs)) break;
  }
  if (sinceMs === null) {
    olderCursor = cursor;
    hasOlder.value = cursor !== null;
  }
}

async function readPage(cursor, mine) {
  const read = await ask(`/orders?limit=${PAGE}${cursor === null ? '' : `&cursor=${cursor}`}`);
  read.orders.forEach((order) => book.applyOrder(order, mine));
  return read;
}

export async function readOlder() {
  if (olderCursor === null) return;
  const read = await readPage(olderCursor, epoch);
  olderCursor = read.nextCursor;
  hasOlder.value = olderCursor !== null;
}

// Waits until what is replayed has come, most likely: what it would have told is asked for otherwise.
async function quiet() {
  const endMs = performance.now() + QUIET_MOST_MS;
  do await pause(QUIET_MS);
  while (performance.now() - lastFrameMs < QUIET_MS && performance.now() < endMs);
}

const pause = (ms) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

async function askEach(rows, mine) {
  const waiting = [...rows];
  const worker = async () => {
    for (let row = waiting.pop(); row && mine === epoch; row = waiting.pop()) {
      const { events } = await ask(`/orders/${row.orderId}/events?afterSeq=${row.seq}`);
      events.forEach((event) => take(event));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

// Events do not repeat an order's terms. One read brings those of a hundred new orders.
async function learnTerms() {
  if (isAskingTerms) return;
  isAskingTerms = true;
  try {
    await pause(TERMS_EVERY_MS);
    for (let cursor = null, page = 0; book.unknown.size && page < PAGES_MAX; page += 1) {
      const oldest = Math.min(...[...book.unknown].map((id) => book.get(id).acceptedMs));
      const read = await readPage(cursor, epoch);
      cursor = read.nextCursor;
      if (cursor === null || Date.parse(read.orders.at(-1).acceptedAt) < oldest - OVERLAP_MS) break;
    }
    for (const id of book.unknown) book.applyOrder(await ask(`/orders/${id}`), epoch);
  } catch (error) {
    if (!error.isOfAnother) problem.value = `The terms of some orders are not known: ${error.message}`;
  } finally {
    isAskingTerms = false;
  }
}
