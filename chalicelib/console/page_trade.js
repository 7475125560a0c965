// Trade: what the market is, what an amount would get, and a form that says what it is about to do.
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { address, go } from './address.js';
import { Chart } from './chart.js';
import { inWords } from './commands.js';
import { scaled } from './decimals.js';
import { dialog, note as say } from './dialogs.js';
import { book } from './follow.js';
import { html } from './html.js';
import { history, marks, marketsProblem, seen, seenMs } from './markets.js';
import { EMPTY, has, KINDS, limitLabel, MEANS, orderOf, sentence } from './order_form.js';
import { Preview } from './order_preview.js';
import { Table } from './page_order.js';
import { account, ask, onLeaving } from './session.js';
import { learnTokens, tokens } from './tokens.js';
import { setUnknown, unknownOf } from './unknown_orders.js';
import { age, boundWords, bps, FINAL, now, pairOf, placeOnAxis } from './words.js';

const form = signal({ ...EMPTY });
const depth = signal(null); // { rows, problem }
const errors = signal([]);
const isBusy = signal(false);
onLeaving(() => {
  form.value = { ...EMPTY };
  depth.value = null;
  errors.value = [];
});

const SIZES = [
  [1, 10],
  [1, 2],
  [1, 1],
  [2, 1],
  [10, 1],
];
const TYPED_MS = 400;
const SECONDS_MIN = 60;

const set = (changes) => {
  form.value = { ...form.value, ...changes };
  errors.value = [];
};
const scaleOf = (symbol) => tokens.value.find((token) => token.symbol === symbol)?.decimals ?? 9;
const pairName = () => `${form.value.baseAsset}/${form.value.quoteAsset}`;

export function Trade() {
  useEffect(learnTokens, []);
  return html`<h1>Trade</h1>
    <div class="trade">
      <${OrderForm} />
      <div class="trade-side"><${Price} /><${Depth} /></div>
    </div>`;
}

function Price() {
  const pair = pairName();
  seen.value;
  book.version.value;
  const market = marks.value.get(pair);
  const [seenAt, prices] = history.get(pair) ?? [[], []];
  // A minute at least is shown, from where on nothing is known.
  const end = seenAt.at(-1) ?? Date.now() / 1000;
  const start = Math.min(seenAt[0] ?? end, end - SECONDS_MIN);
  const resting = book.ordered
    .filter((row) => !FINAL.has(row.status) && pairOf(row).name === pair && (row.limitPrice || row.trigger))
    .slice(0, 100)
    .map((row) => {
      return {
        value: placeOnAxis(row),
        tone: pairOf(row).side === 'buy' ? 'good' : 'bad',
        label: [pairOf(row).side, row.amount, row.trigger ? 'trigger' : 'limit', boundWords(row)].join(' '),
      };
    });
  return html`<section aria-labelledby="price">
    <h2 id="price">${pair}: <span class="price">${market?.price ?? prices.at(-1) ?? '…'}</span></h2>
    ${
      marketsProblem.value &&
      html`<p class="bad" role="alert">
        ${marketsProblem}${seenMs.value && `: this price is ${age(seenMs.value, now.value)} old`}
      </p>`
    }
    <${Chart}
      key=${pair}
      label=${
        `Price of ${pair} since this page was opened, now ${prices.at(-1) ?? 'unknown'}; ` +
        `${resting.length} resting orders`
      }
      data=${[
        [start, ...seenAt, end],
        [null, ...prices, prices.at(-1) ?? null],
      ]}
      series=${[{ name: pair, tone: 'main' }]}
      lines=${resting}
    />
  </section>`;
}

function Depth() {
  const { baseAsset, quoteAsset, amount, side, kind } = form.value;
  const isOfFuture = kind === 'sniper';
  useEffect(() => {
    if (!amount || isOfFuture) {
      depth.value = null;
      return undefined;
    }
    const stop = new AbortController();
    const timer = setTimeout(async () => {
      const sizes = SIZES.map(([times, over]) => scaled(amount, times, over, scaleOf(baseAsset))).filter(
        (size) => size && size !== '0',
      );
      const answers = await Promise.all(
        sizes.map(async (size) => {
          try {
            return {
              size,
              quote: await ask('/quotes', {
                method: 'POST',
                body: { side, baseAsset, quoteAsset, amount: size },
                signal: stop.signal,
              }),
            };
          } catch (error) {
            return { size, problem: error.message };
          }
        }),
      );
      if (!stop.signal.aborted) depth.value = answers;
    }, TYPED_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [baseAsset, quoteAsset, amount, side, isOfFuture]);
  const found = depth.value;
  const venues = [
    ...new Set((found ?? []).flatMap(({ quote }) => quote?.quotes.map((each) => each.venue) ?? [])),
  ];
  return html`<section aria-labelledby="depth" class="depth">
    <h2 id="depth">What this amount, less and more of it would get</h2>
    ${
      found === null
        ? html`<p class="hint">
            ${isOfFuture ? 'What a pool that has yet to open will give is not known.' : 'Type an amount.'}
          </p>`
        : html`<${Table}
            caption=${`Price in ${quoteAsset} per ${baseAsset}, all in`}
            heads=${[`${baseAsset}`, 'Best route', 'Impact', ...venues]}
            rows=${found.map(({ size, quote, problem }) =>
              quote
                ? [
                    size,
                    quote.price,
                    bps(quote.priceImpactBps),
                    ...venues.map((venue) => priceAt(quote, venue)),
                  ]
                : [size, html`<span class="bad wraps">${problem}</span>`, '–', ...venues.map(() => '–')],
            )}
          />`
    }
  </section>`;
}

function priceAt(quote, venue) {
  const own = quote.quotes.find((each) => each.venue === venue);
  return own?.price ?? own?.error ?? '–';
}

const Text = ({ name, label, hint, required = false }) =>
  html`<label class="line"
    >${label}<input
      name=${name}
      value=${form.value[name]}
      required=${required}
      inputmode="decimal"
      autocomplete="off"
      placeholder=${hint}
      aria-invalid=${errors.value.some((each) => fieldOf(each.field) === name)}
      onInput=${(event) => set({ [name]: event.target.value.trim() })}
  /></label>`;
const Choice = ({ name, label, values }) =>
  html`<label class="line"
    >${label}<select
      name=${name}
      value=${form.value[name]}
      onChange=${(event) => set({ [name]: event.target.value })}
    >
      ${Object.entries(values).map(
        ([value, text]) => html`<option key=${value} value=${value}>${text}</option>`,
      )}
    </select></label
  >`;

const fieldOf = (field) =>
  ({ 'trigger.price': 'triggerPrice', trigger: 'triggerPrice' })[field] ??
  field.replace(/^(trigger|sniper)\./, '');

function OrderForm() {
  const { kind } = form.value;
  const unknown = unknownOf(account());
  const symbols = Object.fromEntries(
    (tokens.value.length ? tokens.value : [{ symbol: 'SOL' }, { symbol: 'USDC' }]).map(({ symbol }) => [
      symbol,
      symbol,
    ]),
  );
  return html`<section aria-labelledby="form">
    <h2 id="form">New order</h2>
    <form
      class="order"
      novalidate
      onSubmit=${(event) => {
        event.preventDefault();
        preview();
      }}
    >
      <${Choice} name="kind" label="Type" values=${KINDS} />
      <p class="hint means">${MEANS[kind]}</p>
      ${has.side(kind) && html`<${Choice} name="side" label="Side" values=${{ sell: 'sell', buy: 'buy' }} />`}
      <${Choice} name="baseAsset" label="Base asset" values=${symbols} />
      <${Choice} name="quoteAsset" label="Quote asset" values=${symbols} />
      <${Text}
        name="amount"
        label=${kind === 'sniper' ? `${form.value.quoteAsset} to spend` : `Amount of ${form.value.baseAsset}`}
        required
        hint="1.5"
      />
      ${
        has.trigger(kind) &&
        html`<${Choice}
            name="when"
            label="Fires when the price is"
            values=${{ below: 'below', above: 'above' }}
          />
          <${Text} name="triggerPrice" label="Trigger price" required />
          <${Choice}
            name="source"
            label="Which price"
            values=${{
              mark: 'mark: the median over the pools',
              executable: 'executable: for this amount, all in',
            }}
          />
          ${
            form.value.source === 'mark' &&
            html`<${Text} name="confirmations" label="For how many blocks" hint="2" />`
          }
          <${Choice}
            name="ifAlreadyMet"
            label="If it is met already"
            values=${{ '': 'refuse (default)', execute: 'execute' }}
          />`
      }
      ${
        has.limitPrice(kind) &&
        html`<${Text}
          name="limitPrice"
          label=${limitLabel(form.value)}
          required=${kind !== 'sniper'}
          hint=${kind === 'sniper' ? 'any' : undefined}
        />`
      }
      ${
        has.slippageBps(kind) &&
        html`<${Text} name="slippageBps" label="Slippage, bps" hint=${kind === 'stop' ? '2000' : '50'} />`
      }
      ${
        has.timeInForce(kind) &&
        html`<${Choice}
          name="timeInForce"
          label="Time in force"
          values=${{
            '': 'gtc (default)',
            gtd: 'gtd: until a time',
            ioc: 'ioc: at once or not at all',
          }}
        />`
      }
      <${Text} name="validForSeconds" label="Valid for, seconds" hint="default" />
      ${
        has.sniper(kind) &&
        html`<${Text} name="venue" label="Only this venue" hint="any" /><${Text}
            name="minLiquidity"
            label="Least liquidity"
            hint="any"
          />
          <${Text} name="maxFeeBps" label="Highest fee, bps" hint="any" /><${Text}
            name="maxDelayBlocks"
            label="Latest, blocks after the opening"
            hint="any"
          />
          <${Text} name="mint" label="A new mint's address instead" hint="base asset" /><${Text}
            name="decimals"
            label="Decimals of that mint"
            hint="for a limit"
          />`
      }
      ${
        errors.value.length > 0 &&
        html`<ul role="alert" class="bad">
          ${errors.value.map((each, index) => html`<li key=${index}>${each.field} ${each.problem}</li>`)}
        </ul>`
      }
      ${
        unknown &&
        html`<p role="alert" class="bad">
          ${sentence(unknown.asked)} ${unknown.problem}${' '}
          Sending it again is safe: it has the same client order id.
        </p>`
      }
      <p class="buttons">
        ${
          unknown
            ? html`<button type="button" onClick=${() => setUnknown(account(), null)}>Leave it</button>
                <button
                  type="button"
                  class="main"
                  disabled=${isBusy.value}
                  onClick=${() => submit(unknown)}
                >
                  Send again
                </button>`
            : html`<button class="main" disabled=${isBusy.value}>Preview</button>`
        }
      </p>
    </form>
  </section>`;
}

function refused(error) {
  if (error.isOfAnother) return;
  errors.value = error.details.length ? error.details : [{ field: '', problem: inWords(error) }];
}

async function preview() {
  isBusy.value = true;
  // What is shown is what is sent, whatever is typed while the server is asked.
  const asked = form.value;
  const order = orderOf(asked);
  let shown = null;
  try {
    shown = await ask('/orders?dryRun=true', { method: 'POST', body: order });
  } catch (error) {
    refused(error);
    return;
  } finally {
    isBusy.value = false;
  }
  // On another page, a key that was meant for that would send it.
  if (address.value.page !== 'trade') return;
  const isSure = await dialog(
    'Send this order?',
    ({ close }) => html`<${Preview} asked=${asked} shown=${shown} close=${close} />`,
  );
  if (isSure) await submit({ asked, order, clientOrderId: crypto.randomUUID() });
}

async function submit({ asked, order, clientOrderId }) {
  const from = account();
  const isAgain = unknownOf(from)?.clientOrderId === clientOrderId;
  isBusy.value = true;
  try {
    const { orderId } = await ask('/orders', {
      method: 'POST',
      body: { ...order, clientOrderId },
    });
    setUnknown(from, null);
    say('Accepted', 'good');
    go(`order/${orderId}`);
  } catch (error) {
    // What refuses a second try says nothing of the first: a token may have expired, a limit been met since.
    if (error.isUnknown || error.status >= 500 || isAgain)
      setUnknown(from, { asked, order, clientOrderId, problem: unknownWords(error) });
    else {
      setUnknown(from, null);
      refused(error);
    }
  } finally {
    isBusy.value = false;
  }
}

const unknownWords = (error) =>
  `${error.message}.${error.isUnknown ? '' : ' Whether it was accepted before is not known.'}`;
