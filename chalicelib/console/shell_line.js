// The line that makes the same order from a terminal. The token is named, never shown.
import { asksForToken, websocketUrl } from './place.js';

const FIELDS = [
  'type',
  'inputToken',
  'outputToken',
  'swapMode',
  'amount',
  'slippageBps',
  'limitPrice',
  'timeInForce',
  'trigger',
  'sniper',
];
const BY_TOKENS = ['inputToken', 'outputToken', 'swapMode'];
const INSTEAD_OF_SLIPPAGE = ['limitPrice'];

export function orderFrame(order) {
  const frame = { action: 'submit' };
  for (const name of FIELDS) if (order[name] !== undefined && order[name] !== null) frame[name] = order[name];
  // Prices per output token are those of an order that named it as its base asset, to be bought.
  if (order.priceBase === order.outputToken && order.swapMode === 'exactOut') {
    BY_TOKENS.forEach((name) => delete frame[name]);
    Object.assign(frame, { side: 'buy', baseAsset: order.outputToken, quoteAsset: order.inputToken });
  }
  if (INSTEAD_OF_SLIPPAGE.some((name) => name in frame)) delete frame.slippageBps;
  // From now on, for as long: the moment that it was valid until may be over.
  if (order.validUntil) {
    frame.validForSeconds = Math.ceil((Date.parse(order.validUntil) - Date.parse(order.acceptedAt)) / 1000);
  }
  return frame;
}

const quoted = (text) => `'${text.replaceAll("'", `'"'"'`)}'`;

export function shellLine(order) {
  const token = asksForToken ? ' -H "Authorization: Bearer $TOKEN"' : '';
  return `wscat -c ${websocketUrl()}${token} -w 10 -x ${quoted(JSON.stringify(orderFrame(order)))}`;
}
