// Keeps the book true: what the account's stream tells, and after a gap what it did not.
import { Book } from './book.js';
import { serverNow } from './clock.js';
import { Doubling } from './doubling.js';
import { ask, signedOut, token } from './session.js';
import { linkState, Stream } from './stream.js';
import { signal } from '@preact/signals';
import { FINAL } from './words.js';

const PAGE = 100;
const FIRST_PAGES = 2;
const PAGES_MAX = 200;
const OVERLAP_MS = 60_000; // clocks differ, and an order is on record a moment after it was accepted
const QUIET_MS = 400;
const QUIET_MOST_MS = 3_000; // a busy account is never quiet
const AT_ONCE = 4;
const AGAIN_AFTER_MS = 2_000;
const AGAIN_MOST_MS = 16_000;
const SUBSCRIBED_WITHIN_MS = 30_000; // longer than any function may take
const UNKNOWN_TERMS = 'The terms of some orders are not known: ';
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
let onSubscribed = null; // { requestId, done, failed }
const watchers = new Set();
const catchUpPauses = new Doubling(AGAIN_AFTER_MS, AGAIN_MOST_MS);
const termsPauses = new Doubling(AGAIN_AFTER_MS, AGAIN_MOST_MS);

export const book = new Book({ onUnknown: learnTerms });
const stream = new Stream({ onOpen: () => catchUp(), onLost: () => readOnce(), onFrame: take });

export const start = () => stream.start();

export function stop() {
  epoch += 1;
  stream.stop();
  book.clear();
  problem.value = '';
  heardMs = gapFromMs = olderCursor = null;
  isRead.value = hasOlder.value = isCatchingUp.value = false;
}

// Calls `see` with every order event from now on; returns what ends that.
export function watch(see) {
  watchers.add(see);
  return () => watchers.delete(see);
}

function take(frame) {
  lastFrameMs = performance.now();
  if (frame.type === 'order') {
    if (gapFromMs === null && heardMs !== null) heardMs = serverNow();
    book.applyEvent(frame, epoch);
    watchers.forEach((see) => see(frame));
  } else if (frame.requestId && frame.requestId === onSubscribed?.requestId) {
    if (frame.type === 'error') onSubscribed.failed(new Error(frame.message));
    else onSubscribed.done();
  } else if (frame.type === undefined) {
    // The gateway's: a function did not answer. It names no request, so a subscription is made again.
    onSubscribed?.failed(new Error(frame.message));
  } else if (frame.type === 'error') {
    problem.value = `${frame.code}: ${frame.message}`;
  }
}

async function catchUp() {
  const mine = ++epoch;
  gapFromMs ??= heardMs;
  const sinceMs = gapFromMs === null ? null : gapFromMs - OVERLAP_MS;
  isCatchingUp.value = true;
  try {
    // Subscribed before anything is read: what happens meanwhile comes by both ways, and counts once.
    await subscribe();
    const before = sinceMs === null ? [] : book.unfinished();
    const unseen = () => before.filter((row) => row.seenIn !== mine);
    await readNewest(mine, sinceMs);
    await readResting(mine, unseen);
    await quiet();
    // What was unfinished when the connection was lost, rests no more, and is not among what is replayed.
    await askEach(unseen(), mine);
    if (mine !== epoch) return;
    gapFromMs = null;
    heardMs = serverNow();
    problem.value = '';
    catchUpPauses.reset();
    isCatchingUp.value = false;
    isRead.value = true;
  } catch (error) {
    if (mine !== epoch) return;
    problem.value = `The list may lack orders: ${error.message}`;
    await pause(catchUpPauses.next());
    if (mine === epoch && linkState.value === 'live') catchUp();
  }
}

// What is read before the server has committed the subscription may change unseen.
function subscribe() {
  return new Promise((done, failed) => {
    const requestId = crypto.randomUUID();
    onSubscribed = { requestId, done, failed };
    stream.send({ action: 'subscribe', requestId });
    setTimeout(() => failed(new Error('the server did not answer the subscription')), SUBSCRIBED_WITHIN_MS);
  });
}

// Where there has been no connection yet, the list is what it was when it was read: better than none.
async function readOnce() {
  const mine = epoch;
  if (isRead.value) return;
  const askedMs = serverNow();
  try {
    await readNewest(mine, null);
    if (mine !== epoch) return;
    heardMs ??= askedMs;
    isRead.value = true;
    problem.value = '';
  } catch (error) {
    if (mine === epoch && !error.isOfAnother) problem.value = `The list is not known: ${error.message}`;
  }
}

async function readNewest(mine, sinceMs) {
  let cursor = null;
  const oldestMs = book.ordered.at(-1)?.acceptedMs ?? 0;
  for (let page = 0; page < (sinceMs === null ? FIRST_PAGES : PAGES_MAX) && mine === epoch; page += 1) {
    const known = book.rows.size;
    const read = await readPage(cursor, mine);
    cursor = read.nextCursor;
    if (cursor === null) break;
    const [newest, oldest] = [read.orders[0], read.orders.at(-1)].map((each) => Date.parse(each.acceptedAt));
    // An order may have waited in the queue behind others: the search ends where nothing is new any more.
    const isOver = oldest < oldestMs || (newest < sinceMs && book.rows.size === known);
    if (sinceMs !== null && isOver) break;
  }
  if (sinceMs === null && mine === epoch) {
    olderCursor = cursor;
    hasOlder.value = cursor !== null;
  }
}

// A hundred of the resting orders in one read, which may be thousands.
async function readResting(mine, unseen) {
  let cursor = null;
  for (let page = 0; page < PAGES_MAX && mine === epoch && unseen().length > AT_ONCE; page += 1) {
    cursor = (await readPage(cursor, mine, '&status=open')).nextCursor;
    if (cursor === null) break;
  }
}

async function readPage(cursor, mine, filter = '') {
  const at = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
  const read = await patiently(() => ask(`/orders?limit=${PAGE}${filter}${at}`));
  read.orders.forEach((order) => book.applyOrder(order, mine));
  return read;
}

export async function readOlder() {
  if (olderCursor === null) return;
  const mine = epoch;
  const read = await readPage(olderCursor, mine);
  if (mine !== epoch) return;
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

// A long list is read as fast as the server lets an account read.
async function patiently(read) {
  const asking = token.value;
  for (;;) {
    try {
      return await read();
    } catch (error) {
      if (error.status !== 429) throw error;
      await pause(error.againAfterMs ?? AGAIN_AFTER_MS);
      if (token.value !== asking) throw signedOut();
    }
  }
}

async function askEach(rows, mine) {
  const waiting = [...rows];
  const worker = async () => {
    for (let row = waiting.pop(); row && mine === epoch; row = waiting.pop()) {
      let isMore = true; // an answer has a thousand at most
      while (isMore && mine === epoch) {
        const { events } = await patiently(() => ask(`/orders/${row.orderId}/events?afterSeq=${row.seq}`));
        events.forEach((event) => take(event));
        isMore = events.length > 0 && !FINAL.has(row.status);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

// Events do not repeat an order's terms. One read brings those of a hundred new orders. Each event of one
// of them asks for its terms: after a failure they wait for the pause that is on.
async function learnTerms() {
  if (isAskingTerms || !book.unknown.size) return;
  isAskingTerms = true;
  let isLeft = false;
  try {
    await pause(TERMS_EVERY_MS);
    for (let cursor = null, page = 0; book.unknown.size && page < PAGES_MAX; page += 1) {
      const oldest = Math.min(...[...book.unknown].map((id) => book.get(id).acceptedMs));
      const read = await readPage(cursor, epoch);
      cursor = read.nextCursor;
      if (cursor === null || Date.parse(read.orders.at(-1).acceptedAt) < oldest - OVERLAP_MS) break;
    }
    for (const id of book.unknown) book.applyOrder(await ask(`/orders/${id}`), epoch);
    if (problem.value.startsWith(UNKNOWN_TERMS)) problem.value = '';
    termsPauses.reset();
  } catch (error) {
    isLeft = true;
    // Who came then has terms to learn as well, and at once.
    if (!error.isOfAnother) {
      problem.value = `${UNKNOWN_TERMS}${error.message}`;
      await pause(termsPauses.next());
    }
  } finally {
    isAskingTerms = false;
  }
  if (isLeft) learnTerms();
}
