// The mark of each pair, asked for again and again; what was seen since the page was opened is kept.
import { signal } from '@preact/signals';
import { serverNow } from './clock.js';
import { onAxis } from './decimals.js';
import { ask } from './session.js';

export const marks = signal(new Map()); // "SOL/USDC" → { price, … as GET /markets has it }
export const marketsProblem = signal('');
export const seenMs = signal(null); // when the marks were asked for that are shown
export const history = new Map(); // "SOL/USDC" → [seconds, prices]
export const seen = signal(0); // counts changes of the history

const EVERY_MS = 2_000;
const AFTER_A_REFUSAL_MS = 60_000;
const POINTS_MAX = 1_800;
let timer = null;
let isWanted = false;

export function followMarkets() {
  isWanted = true;
  poll();
  return () => {
    isWanted = false;
    clearTimeout(timer);
  };
}

function note(pair, price) {
  const value = onAxis(price);
  if (value === null) return;
  const [times, prices] = history.get(pair) ?? [[], []];
  times.push(Date.now() / 1000);
  prices.push(value);
  if (times.length > POINTS_MAX) {
    times.shift();
    prices.shift();
  }
  history.set(pair, [times, prices]);
  seen.value += 1;
}

async function poll() {
  let again = EVERY_MS;
  try {
    const { markets, problems } = await ask('/markets');
    const found = new Map();
    for (const market of markets) {
      found.set(market.pair, { ...market, price: market.mark });
      if (market.mark) note(market.pair, market.mark);
    }
    marks.value = found;
    seenMs.value = serverNow();
    marketsProblem.value = problems.map(({ venue, error }) => `${venue}: ${error}`).join('; ');
  } catch (error) {
    if (error.isOfAnother) return; // who came then asks for themselves
    marketsProblem.value = `No prices: ${error.message}`;
    if (error.isMissingRoute) again = AFTER_A_REFUSAL_MS;
  }
  if (isWanted) timer = setTimeout(poll, again);
}
