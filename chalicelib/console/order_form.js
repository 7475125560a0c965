// What the form says, as the fields of an order. Which fields there are follows from the type.

export const KINDS = {
  market: 'Market',
  limit: 'Limit',
  stop: 'Stop or take profit',
  stopLimit: 'Stop limit',
  sniper: 'Sniper',
};

export const MEANS = {
  market: 'At once, at the best price.',
  limit: 'At this rate or better, fees and impact included; it rests until then.',
  stop: 'A market order once the price is met.',
  stopLimit: 'A limit order once the price is met.',
  sniper: 'Buys when a pool of the pair opens.',
};

const TRIGGERED = new Set(['stop', 'stopLimit']);
const LIMITED = new Set(['limit', 'stopLimit']);

export const has = {
  side: (kind) => kind !== 'sniper',
  slippageBps: (kind) => kind === 'market' || kind === 'stop' || kind === 'sniper',
  limitPrice: (kind) => LIMITED.has(kind) || kind === 'sniper',
  timeInForce: (kind) => kind === 'limit',
  validForSeconds: () => true,
  trigger: (kind) => TRIGGERED.has(kind),
  sniper: (kind) => kind === 'sniper',
};

export const EMPTY = {
  kind: 'market',
  side: 'sell',
  baseAsset: 'SOL',
  quoteAsset: 'USDC',
  amount: '',
  slippageBps: '',
  limitPrice: '',
  timeInForce: '',
  validForSeconds: '',
  triggerPrice: '',
  when: 'below',
  source: 'mark',
  confirmations: '',
  ifAlreadyMet: '',
  venue: '',
  minLiquidity: '',
  maxFeeBps: '',
  maxDelayBlocks: '',
  mint: '',
  decimals: '',
};

// What is bought or sold: of a sniper order perhaps a mint that is in no list.
const baseOf = ({ kind, mint, baseAsset }) => (kind === 'sniper' && mint) || baseAsset;

const said = (text) => (text === '' ? undefined : text);
// Digits become a number; anything else goes as it is, and the server says what is wrong with it.
const whole = (text) => (/^\d{1,9}$/.test(text) ? Number(text) : said(text));

export function orderOf(form) {
  const { kind } = form;
  const type = { stop: 'market', stopLimit: 'limit' }[kind] ?? kind;
  const order = { type, amount: form.amount };
  if (kind === 'sniper') {
    // Exact-in: what is given is exact, how much comes of it is what the sniper finds out. So it names no
    // base asset, and its limit is what one token given has to bring.
    Object.assign(order, { inputToken: form.quoteAsset, outputToken: baseOf(form), swapMode: 'exactIn' });
    order.sniper = pruned({
      venue: said(form.venue),
      minLiquidity: said(form.minLiquidity),
      maxFeeBps: whole(form.maxFeeBps),
      maxDelayBlocks: whole(form.maxDelayBlocks),
      decimals: form.mint ? whole(form.decimals) : undefined,
    });
  } else Object.assign(order, { side: form.side, baseAsset: form.baseAsset, quoteAsset: form.quoteAsset });
  if (has.slippageBps(kind)) order.slippageBps = whole(form.slippageBps);
  if (has.limitPrice(kind)) order.limitPrice = said(form.limitPrice);
  if (order.limitPrice !== undefined) delete order.slippageBps;
  if (has.timeInForce(kind)) order.timeInForce = said(form.timeInForce);
  order.validForSeconds = whole(form.validForSeconds);
  if (has.trigger(kind)) {
    order.trigger = pruned({
      price: form.triggerPrice,
      when: form.when,
      source: form.source,
      ifAlreadyMet: said(form.ifAlreadyMet),
      confirmations: form.source === 'mark' ? whole(form.confirmations) : undefined,
    });
  }
  return pruned(order);
}

export const limitLabel = (form) =>
  form.kind === 'sniper'
    ? `At least ${baseOf(form)} per ${form.quoteAsset}`
    : `Limit price, ${form.quoteAsset} per ${form.baseAsset}`;

const pruned = (members) =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));

// What would be sent, in a sentence; `preview` is what the server says of it.
export function sentence(form, preview) {
  const { side, amount, quoteAsset: quote, kind } = form;
  const base = baseOf(form);
  const [spent, bought] = side === 'sell' && kind !== 'sniper' ? [base, quote] : [quote, base];
  const deal =
    kind === 'sniper'
      ? `Spend ${amount} ${spent} on ${bought} when a pool of them opens`
      : `${side === 'sell' ? 'Sell' : 'Buy'} ${amount} ${base} ${side === 'sell' ? 'for' : 'with'} ${quote}`;
  const parts = [deal];
  if (has.trigger(kind))
    parts.push(
      `once the ${form.source === 'mark' ? 'mark' : 'executable rate'} is at or` +
        ` ${form.when} ${form.triggerPrice}`,
    );
  if (has.limitPrice(kind) && form.limitPrice)
    parts.push(
      kind === 'sniper'
        ? `for at least ${form.limitPrice} ${base} per ${quote}, fees and impact included`
        : `at ${form.limitPrice} ${quote} per ${base} or better, fees and impact included`,
    );
  const text = `${parts.join(', ')}.`;
  if (!preview?.outputAmount) return text;
  const now =
    bought === quote || kind === 'sniper'
      ? `it would bring ${preview.outputAmount} ${bought}`
      : `it would cost ${preview.inputAmount} ${quote}`;
  const impact = `with an impact of ${preview.priceImpactBps ?? '?'} bps`;
  const unit = kind === 'sniper' ? `${base} per ${quote}` : `${quote} per ${base}`;
  return `${text} Right now ${now}, ${preview.price} ${unit}, ${impact}.`;
}
