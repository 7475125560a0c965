// What is shown of an order: words and colours, each decided in one place.
import { signal } from '@preact/signals';
import { serverNow } from './clock.js';
import { distanceBps, distanceFromInverseBps, onAxis, rounded } from './decimals.js';

export const now = signal(serverNow());
setInterval(() => {
  now.value = serverNow();
}, 1000);

export const FINAL = new Set(['confirmed', 'failed', 'canceled', 'expired']);
export const STATUSES = [
  'pending',
  'open',
  'triggered',
  'routing',
  'routed',
  'building',
  'submitted',
  'confirmed',
  'failed',
  'canceled',
  'expired',
];
// Nothing of it can have reached the chain; the server has the last word.
export const MAY_CANCEL = new Set(['pending', 'open', 'triggered', 'routing', 'routed', 'building']);
export const TYPES = ['market', 'limit', 'sniper'];

const TONES = {
  confirmed: 'good',
  failed: 'bad',
  canceled: 'still',
  expired: 'still',
  open: 'rest',
  triggered: 'rest',
};
export const tone = (status) => TONES[status] ?? 'busy';

// Its beginning is a time: orders of one minute differ at the end.
export const shortId = (id) => (id ? `${id.slice(0, 8)}…${id.slice(-4)}` : '');

// A pair is shown by its quote asset, as markets name it: the one further ahead in this list.
const QUOTES = ['USDC', 'USDT', 'SOL'];
const rank = (symbol) => {
  const place = QUOTES.indexOf(symbol);
  return place < 0 ? QUOTES.length : place;
};

export function pairOf({ inputToken, outputToken }) {
  if (!inputToken || !outputToken) return { base: '', quote: '', side: '', name: '' };
  const isBuy = rank(inputToken) < rank(outputToken);
  const [base, quote] = isBuy ? [outputToken, inputToken] : [inputToken, outputToken];
  return { base, quote, side: isBuy ? 'buy' : 'sell', name: `${base}/${quote}` };
}

// An order that named no base asset has its prices per input token: upside down, for one that buys.
const isInverse = (order) => Boolean(order.priceBase) && order.priceBase !== pairOf(order).base;

export function priceUnit(order) {
  const { inputToken, outputToken, priceBase } = order;
  return priceBase ? `${priceBase === inputToken ? outputToken : inputToken} per ${priceBase}` : '';
}

export const bound = (order) => order.trigger?.price ?? order.limitPrice ?? null;

// How far an order's trigger or limit is from the mark, in bps of it, in the order's own prices.
export const away = (mark, order) =>
  (isInverse(order) ? distanceFromInverseBps : distanceBps)(mark, bound(order));

// Where it is on an axis of the pair's prices.
export function placeOnAxis(order) {
  const price = onAxis(bound(order));
  return isInverse(order) ? price && 1 / price : price;
}

export function boundWords(order) {
  const price = bound(order);
  if (price === null) return '–';
  const sign = { above: '≥ ', below: '≤ ' }[order.trigger?.when] ?? '';
  return `${sign}${price}${isInverse(order) ? ` ${priceUnit(order).replace(' per ', '/')}` : ''}`;
}

// A trigger on the side where the trade gets worse is a stop.
export function kindOf(order) {
  if (!order.trigger?.when) return order.type ?? '';
  const isWorseBelow = (pairOf(order).side === 'sell') !== isInverse(order);
  const name = isWorseBelow === (order.trigger.when === 'below') ? 'stop' : 'take profit';
  return order.type === 'limit' ? `${name} limit` : name;
}

export const amountToken = (order) => (order.swapMode === 'exactOut' ? order.outputToken : order.inputToken);

// What an order asks for, with the exact amount where it stands: "sell 1.5 SOL for USDC".
export function inASentence(order) {
  const { inputToken: given, outputToken: got, amount } = order;
  if (pairOf(order).side === 'sell') {
    return order.swapMode === 'exactOut'
      ? `sell ${given} for exactly ${amount} ${got}`
      : `sell ${amount} ${given} for ${got}`;
  }
  return order.swapMode === 'exactOut'
    ? `buy ${amount} ${got} with ${given}`
    : `spend ${amount} ${given} on ${got}`;
}

export function age(fromMs, untilMs) {
  const s = Math.max(0, Math.floor((untilMs - fromMs) / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86_400)} d`;
}

export const clockTime = (text) => new Date(text).toLocaleTimeString([], { hour12: false });

// Two places are enough to read; what is less than that is not nothing.
export function bps(value) {
  if (value === null || value === undefined) return '–';
  const shown = rounded(String(value), 2);
  return shown === '0' && /[1-9]/.test(value) ? '< 0.01 bps' : `${shown} bps`;
}

export function percent(basisPoints) {
  if (basisPoints === null) return '–';
  const sign = basisPoints > 0 ? '+' : basisPoints < 0 ? '−' : '';
  const size = Math.abs(basisPoints);
  return `${sign}${Math.floor(size / 100)}.${String(size % 100).padStart(2, '0')} %`;
}
