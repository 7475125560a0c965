// The mark of each pair, asked for again and again while a page that shows it is open.
import { signal } from '@preact/signals';
import { ask } from './session.js';

export const marks = signal(new Map()); // "SOL/USDC" → { price, atMs, ... }
export const marketsProblem = signal('');
const EVERY_MS = 2_000;
let timer = null;
let users = 0;

// Asks from now on; returns what ends that.
export function followMarkets() {
  users += 1;
  if (users === 1) poll();
  return () => {
    users -= 1;
    if (users === 0) clearTimeout(timer);
  };
}

async function poll() {
  let again = EVERY_MS;
  try {
    const answer = await ask('/markets');
    marks.value = new Map((answer.markets ?? []).map((each) => [`${each.baseAsset}/${each.quoteAsset}`, { ...each, price: each.mark }]));
    marketsProblem.value = '';
  } catch (error) {
    if (error.isMissingRoute) {
      marketsProblem.value = 'This server has no GET /markets: prices are those of quotes, and how far a limit is away is not known.';
      again = 60_000;
    } else marketsProblem.value = error.message;
  }
  if (users > 0) timer = setTimeout(poll, again);
}
