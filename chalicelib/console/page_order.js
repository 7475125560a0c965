// Order: everything that happened to one order, and why.
import { useEffect, useMemo } from 'preact/hooks';
import { amend, cancel } from './commands.js';
import { difference } from './decimals.js';
import { note } from './dialogs.js';
import { Timeline } from './events.js';
import { html } from './html.js';
import { Status } from './page_orders.js';
import { RouteDrawing } from './route_drawing.js';
import { shellLine } from './shell_line.js';
import { age, bps, clockTime, inASentence, kindOf, MAY_CANCEL, now, priceUnit, tone } from './words.js';

export function OrderPage({ id }) {
  const timeline = useMemo(() => new Timeline(id), [id]);
  useEffect(() => timeline.follow(), [timeline]);
  const order = timeline.order.value;
  const events = timeline.events.value;
  const routed = events.findLast((event) => event.status === 'routed');
  const ended = events.findLast((event) => event.status === 'confirmed');
  // Beside what was booked once there is that: until then, and if it comes to nothing, it is what to look up.
  const signature = ended ? null : events.findLast((event) => event.txSignature)?.txSignature;
  return html`<p class="crumbs"><a href="#/orders">Orders</a></p>
    <h1 class="id">${id}</h1>
    ${timeline.problem.value && html`<p role="alert" class="banner bad">${timeline.problem}</p>`}
    ${timeline.waiting.value && html`<p role="status" class="hint">${timeline.waiting}</p>`}
    ${
      order &&
      events.length > 0 &&
      html`<${Head} order=${order} signature=${signature} />
        <section aria-labelledby="timeline">
          <h2 id="timeline">Timeline</h2>
          <${Lanes} events=${events} />
        </section>
        ${routed && html`<${Routed} event=${routed} order=${order} />`}
        ${ended && html`<${Booked} expected=${routed} booked=${ended} inputToken=${order.inputToken} />`}
        <${Again} order=${order} />
        <section>
          <details>
            <summary>Raw frames (${events.length})</summary>
            <pre tabindex="0" aria-label="Raw frames">
${events.map((event) => JSON.stringify(event)).join('\n')}</pre>
          </details>
        </section>`
    }`;
}

function Head({ order, signature }) {
  const facts = [
    ['Status', html`<${Status} status=${order.status} />`],
    ['Order', `${inASentence(order)}, ${kindOf(order)}`],
    ['Limit price', order.limitPrice && `${order.limitPrice} ${priceUnit(order)}`],
    [
      'Trigger',
      order.trigger &&
        `${order.trigger.when} ${order.trigger.price} ${priceUnit(order)}, ${order.trigger.source ?? 'mark'}`,
    ],
    ['Sniper', sniperWords(order.sniper)],
    ['Slippage', order.limitPrice ? null : bps(order.slippageBps)],
    ['Attempt', order.attempt],
    ['Client order id', order.clientOrderId],
    ['Accepted', `${order.acceptedAt} (${age(Date.parse(order.acceptedAt), now.value)} ago)`],
    ['Valid until', order.validUntil],
    ['Last signature', signature && html`<code>${signature}</code>`],
    ['Failure', order.status === 'failed' && order.code ? `${order.code}: ${order.message}` : null],
  ].filter(([, value]) => value !== null && value !== undefined && value !== false && value !== '');
  return html`<dl class="facts">
      ${facts.map(
        ([title, value]) =>
          html`<div key=${title}>
            <dt>${title}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
    <p class="buttons start">
      <button type="button" disabled=${!MAY_CANCEL.has(order.status)} onClick=${() => cancel(order)}>
        Cancel
      </button>
      <button type="button" disabled=${order.status !== 'open'} onClick=${() => amend(order)}>Amend</button>
    </p>`;
}

const SNIPER = {
  venue: (it) => `on ${it}`,
  minLiquidity: (it) => `liquidity of at least ${it}`,
  maxFeeBps: (it) => `fee at most ${bps(it)}`,
  maxDelayBlocks: (it) => `within ${it} blocks`,
  decimals: (it) => `a mint of ${it} decimals`,
};

function sniperWords(sniper) {
  if (!sniper) return null;
  const named = Object.keys(SNIPER).filter((name) => sniper[name] !== null && sniper[name] !== undefined);
  return named.map((name) => SNIPER[name](sniper[name])).join(', ') || 'any pool of the pair';
}

// Each attempt is a lane; columns are the events in their order, whatever time lies between them.
function Lanes({ events }) {
  if (!events.length) return html`<p class="hint">No event yet.</p>`;
  const lanes = [...new Set(events.map((event) => event.attempt))].sort((one, other) => one - other);
  return html`<div class="lanes" tabindex="0" role="group" aria-label="Events by attempt">
    <ol>
      ${events.map(
        (event, index) =>
          html`<li
            key=${event.seq}
            class=${`event ${tone(event.status)}`}
            style=${{ gridRow: lanes.indexOf(event.attempt) + 1, gridColumn: index + 1 }}
          >
            <span class="seq">${event.seq}</span> <strong>${event.status}</strong>
            <span class="when">${index ? since(events[index - 1], event) : clockTime(event.at)}</span>
            ${event.attempt > 1 && html`<span class="when again">attempt ${event.attempt}</span>`}
            ${why(event) && html`<span class="why">${why(event)}</span>`}
          </li>`,
      )}
    </ol>
  </div>`;
}

function since(before, event) {
  const ms = Date.parse(event.at) - Date.parse(before.at);
  return ms < 10_000 ? `+${ms} ms` : `+${age(0, ms)}`;
}

function why(event) {
  if (event.amended) return `amended: ${Object.entries(event.amended).map(amendedTo).join(', ')}`;
  if (event.observedPrice) return `saw ${event.observedPrice} (${event.source ?? 'mark'})`;
  return event.code ?? event.reason ?? '';
}

const AMENDED = { limitPrice: 'limit price', triggerPrice: 'trigger price', expiresAt: 'expires at' };
const amendedTo = ([name, value]) => `${AMENDED[name] ?? name} ${value}`;

function Routed({ event, order }) {
  const inputToken = order?.inputToken ?? event.route[0].inputToken;
  const outputToken = order?.outputToken ?? event.route.at(-1).outputToken;
  const best = event.bestSingleVenue;
  return html`<section aria-labelledby="route">
    <h2 id="route">Route</h2>
    <p>
      ${event.inputAmount} ${inputToken} → ${event.outputAmount} ${outputToken}${' '}
      at ${event.price}, at most${' '}
      <strong>${bps(event.routeGapBps)}</strong> from the best possible
      route${
        best ? html`, <strong>${bps(event.improvementBps)}</strong> better than ${best.pool} alone` : ''
      }.
    </p>
    <${RouteDrawing} legs=${event.route} inputToken=${inputToken} outputToken=${outputToken} />
    <${Table}
      caption="Legs"
      heads=${['Pool', 'Gives', 'Gets', 'Share']}
      rows=${event.route.map((leg) => [
        leg.pool,
        `${leg.inputAmount} ${leg.inputToken}`,
        `${leg.outputAmount} ${leg.outputToken}`,
        `${leg.shareBps} bps`,
      ])}
    />
    <${Table}
      caption="What each venue's best pool alone would give"
      heads=${['Venue', 'Pool', 'In', 'Out', 'Price', 'Impact']}
      rows=${event.quotes.map((quote) =>
        quote.error
          ? [quote.venue, quote.error, '–', '–', '–', '–']
          : [
              quote.venue,
              quote.pool,
              `${quote.inputAmount} ${inputToken}`,
              `${quote.outputAmount} ${outputToken}`,
              quote.price,
              bps(quote.priceImpactBps),
            ],
      )}
    />
  </section>`;
}

function Booked({ expected, booked, inputToken }) {
  const line = (title, name) => {
    const [was, is] = [expected?.[name], booked[name]];
    return [title, was ?? '–', is, was ? difference(is, was) : '–'];
  };
  return html`<section aria-labelledby="booked">
    <h2 id="booked">Expected and booked</h2>
    <${Table}
      caption="Amounts"
      heads=${['', 'Expected', 'Booked', 'Difference']}
      rows=${[line('Input', 'inputAmount'), line('Output', 'outputAmount'), line('Fee', 'feeAmount')]}
    />
    <p>
      Executed at <strong>${booked.executedPrice}</strong>, ${slippageWords(booked.realizedSlippageBps)} than
      quoted, in slot ${booked.slot}.
      ${booked.networkFeeLamports !== undefined && ` Network fee: ${booked.networkFeeLamports} lamports.`}
      ${booked.unspentInputAmount && ` Left unspent: ${booked.unspentInputAmount} ${inputToken}.`}
    </p>
    <p>Signature <code>${booked.txSignature}</code></p>
  </section>`;
}

const slippageWords = (told) =>
  told.startsWith('-') ? `${bps(told.slice(1))} better` : `${bps(told)} worse`;

export const Table = ({ caption, heads, rows }) =>
  html`<div class="scrolls" tabindex="0" role="group" aria-label=${caption}>
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${heads.map(
            (head, index) =>
              html`<th key=${index} scope="col">${head || html`<span class="unseen">Which</span>`}</th>`,
          )}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row, index) =>
            html`<tr key=${index}>
              ${row.map((cell, at) => html`<td key=${at}>${cell}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;

function Again({ order }) {
  const line = shellLine(order);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(line);
      note('Copied');
    } catch {
      note('The browser does not let this page copy: mark the line instead.');
    }
  };
  return html`<section aria-labelledby="again">
    <h2 id="again">The same order from a terminal</h2>
    <p class="copy">
      <code tabindex="0">${line}</code> <button type="button" class="small" onClick=${copy}>Copy</button>
    </p>
  </section>`;
}
