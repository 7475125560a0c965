// Health: how long orders take now, what waits, and what died.
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { inWords, noteFailed } from './commands.js';
import { confirmed, dialog, note } from './dialogs.js';
import { html } from './html.js';
import { marks, marketsProblem, seenMs } from './markets.js';
import { NotForYou } from './operator_only.js';
import { Table } from './page_order.js';
import { stage } from './place.js';
import { ask, token } from './session.js';
import { age, now, shortId } from './words.js';

const EVERY_MS = 3_000;
const health = signal(null);
const letters = signal(null); // { deadLetters, nextCursor }
const failed = signal(null);
// The next who signs in may be no operator.
token.subscribe(() => {
  health.value = letters.value = failed.value = null;
});

export function Health() {
  useEffect(() => {
    let timer = null;
    let isOver = false;
    const look = async () => {
      try {
        health.value = await ask('/operator/health');
        failed.value = null;
        await more(null);
      } catch (error) {
        if (isOver) return;
        failed.value = error;
      }
      if (!isOver && !failed.value?.isForbidden) timer = setTimeout(look, EVERY_MS);
    };
    look();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, []);
  // Shown once all of it is there: parts that come later would push the others away.
  const isKnown = letters.value !== null && (marks.value.size > 0 || marketsProblem.value !== '');
  const found = isKnown ? health.value : null;
  if (failed.value?.isForbidden)
    return html`<h1>Health</h1>
      <${NotForYou} />`;
  return html`<h1>Health</h1>
    ${failed.value && html`<p role="alert" class="banner bad">${inWords(failed.value)}</p>`}
    ${
      found &&
      html`${Object.entries(found.problems).map(
        ([name, why]) => html`<p key=${name} role="alert" class="banner bad">${name}: ${why}</p>`,
      )}
        <div class="tiles"><${Waiting} found=${found} /><${Ages} chain=${found.chain} /></div>
        <div class="tiles">
          ${
            found.recent &&
            html`<${Histogram} title="Accepted to confirmed" of=${found.recent.confirmedMs} />
              <${Histogram} title="Accepted to open" of=${found.recent.openedMs} />
              <${Histogram} title="Time in the queue" of=${found.recent.queuedMs} />`
          }
        </div>
        ${
          found.recent &&
          html`<p class="hint">
              Orders of the last ${Math.round(found.recent.seconds)}
      ${' '}s${found.recent.isWhole ? '' : ': the newest, since there were more than are looked at'}.
            </p>
            <${Recent} of=${found.recent} />`
        }`
    }
    ${found && html`<${DeadLetters} depth=${found.queues?.at(-1)} />`}`;
}

// What is told every quarter of a minute, of a minute.
function Consumers({ of }) {
  if (!of) return html`<p>Consumers: <strong>?</strong></p>`;
  if (!of.number) return html`<p>Consumers: <strong>0</strong>, none took a message in the last minute</p>`;
  return html`<p>
    Consumers: <strong>${of.number}</strong>. The oldest message that they took in the last minute had been in
    the queue for <strong>${inMs(of.oldestMs)}</strong>
  </p>`;
}

function Waiting({ found }) {
  const connections = found.connections === null ? '?' : found.connections;
  return html`<section aria-labelledby="waiting">
    <h2 id="waiting">Waiting</h2>
    ${
      found.queues &&
      html`<${Table}
        caption="Queues (SQS's approximate numbers)"
        heads=${['Queue', 'Waiting', 'With a consumer', 'Delayed']}
        rows=${found.queues.map((queue) => [queue.name, queue.waiting, queue.inFlight, queue.delayed])}
      />`
    }
    ${
      found.unfinished &&
      html`<${Table}
        caption=${`Orders under way${found.unfinished.isWhole ? '' : ' (counting stopped)'}`}
        heads=${['Status', 'Type', 'Number', 'Oldest']}
        rows=${found.unfinished.orders.map((each) => [
          each.status,
          each.type,
          each.count,
          age(Date.parse(each.oldestAt), now.value),
        ])}
      />`
    }
    <${Consumers} of=${found.consumers} />
    <p>Clients connected: <strong>${connections}</strong></p>
  </section>`;
}

function Ages({ chain }) {
  const found = [...marks.value];
  const sinceMs = marketsProblem.value ? Math.max(0, now.value - seenMs.value) : 0;
  return html`<section aria-labelledby="ages">
    <h2 id="ages">Prices</h2>
    ${
      chain &&
      html`<p>
        The chain is at slot ${chain.slot}; the block whose pools were read is${' '}
        <strong>${chain.ageSeconds} s</strong> old. ${chain.pools} pools can be traded with,${' '}
        ${chain.refusedPools} cannot.
      </p>`
    }
    ${
      found.length
        ? html`<${Table}
            caption="How old each pair's price is"
            heads=${['Pair', 'Mark', 'Age', 'Block']}
            rows=${found.map(([pair, market]) => [
              pair,
              market.price ?? '–',
              inMs(market.ageMs + sinceMs),
              market.height,
            ])}
          />`
        : html`<p class="hint">No price is known yet.</p>`
    }
  </section>`;
}

const inMs = (ms) => (ms < 10_000 ? `${ms} ms` : `${Math.round(ms / 1000)} s`);
const bound = (ms) => (ms === null ? 'more' : ms < 1000 ? `≤ ${ms} ms` : `≤ ${ms / 1000} s`);

function Histogram({ title, of }) {
  const most = Math.max(1, ...of.buckets.map((bucket) => bucket.count));
  const average = of.count ? `${Math.round(of.sumMs / of.count)} ms on average` : 'none in this time';
  return html`<section class="histogram">
    <h2>${title}</h2>
    <p class="hint">${of.count} orders, ${average}</p>
    <table>
      <caption class="unseen">
        ${title}: orders by time
      </caption>
      <thead class="unseen">
        <tr>
          <th scope="col">Up to</th>
          <th scope="col">Orders</th>
        </tr>
      </thead>
      <tbody>
        ${of.buckets.map(
          ({ upTo, count }) =>
            html`<tr key=${upTo}>
              <th scope="row">${bound(upTo)}</th>
              <td><span class="bar" style=${{ width: `${(70 * count) / most}%` }}></span>${count || ''}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </section>`;
}

function Recent({ of }) {
  const events = [...of.events].sort((one, other) => other.count - one.count);
  return html`<div class="tiles">
    <section>
      <h2>Events</h2>
      <${Table}
        caption="By status and type"
        heads=${['Status', 'Type', 'Number']}
        rows=${events.map((each) => [each.status, each.type, each.count])}
      />
    </section>
    <section>
      <h2>Attempts: ${of.attempts}</h2>
      <${Table}
        caption="Failed orders"
        heads=${['Code', 'Number']}
        rows=${of.failures.map((each) => [each.code, each.count])}
      />
      <${Table}
        caption="Attempts made again"
        heads=${['Why', 'Number']}
        rows=${of.retries.map((each) => [each.reason, each.count])}
      />
    </section>
  </div>`;
}

// The newest page, or the one after a cursor; what was read before and is not in it stays. Unless more came
// at once than a page shows: then the list begins anew, so that those between are found behind it.
async function more(cursor) {
  try {
    const page = await ask(`/operator/dead-letters?limit=20${cursor ? `&cursor=${cursor}` : ''}`);
    const before = letters.value;
    if (cursor && before?.nextCursor !== cursor) return; // it began anew meanwhile
    const read = new Set(page.deadLetters.map((each) => each.messageId));
    let others = before ? before.deadLetters.filter((each) => !read.has(each.messageId)) : [];
    if (!cursor && others.length === before?.deadLetters.length) others = [];
    letters.value = {
      deadLetters: cursor ? [...others, ...page.deadLetters] : [...page.deadLetters, ...others],
      nextCursor: cursor || !others.length ? page.nextCursor : before.nextCursor,
    };
  } catch (error) {
    if (!error.isOfAnother) failed.value = error;
  }
}

const LINE = `./orderflow dead-letters redrive --stage ${stage}`;

// Redrive takes messages out of the dead-letter queue: a right that the function behind this page lacks.
const redrive = (waiting) =>
  dialog(
    'Send them back to the orders queue?',
    ({ close }) =>
      html`<p>
          ${waiting} messages wait in the dead-letter queue: their consumer has not finished them. It tries
          again by itself, every 36 s, so mend the cause first and wait. Sending them back is right if they
          stay after that; it is safe, since every step knows what was done.
        </p>
        <p>What is archived below is not in that queue any more; each says whether to send it again.</p>
        <p>An operator's shell does it, not this page, which may not take messages away:</p>
        <p><code tabindex="0">${LINE}</code></p>
        <p class="buttons">
          <button type="button" class="main" autofocus onClick=${() => close()}>Understood</button>
        </p>`,
  );

// What is archived stays there. Its order goes to the queue once more only if it never came on record.
async function sendAgain(letter) {
  const isMeant = await confirmed(
    'Send this order to the queue again?',
    'It was accepted and never came on record: nothing of it was executed. It goes on as it was ' +
      'accepted, for the account that sent it, and ends as expired if its time is up. ' +
      'Mend first what kept it off the record.',
    'Send it again',
  );
  if (!isMeant) return;
  try {
    const { orderId } = await ask(`/operator/dead-letters/${encodeURIComponent(letter.messageId)}/redrive`, {
      method: 'POST',
    });
    note(`${shortId(orderId)} is in the queue again`, 'good');
  } catch (error) {
    noteFailed(error);
  }
}

function Again({ of: letter }) {
  const message = html`<pre tabindex="0" aria-label="Message">${letter.body}</pre>`;
  if (letter.whyNoRedrive !== null)
    return html`<details>
      <summary>No: why</summary>
      <span class="wraps">${letter.whyNoRedrive}</span>${message}
    </details>`;
  return html`<button type="button" class="small" onClick=${() => sendAgain(letter)}>Send again…</button>
    <details>
      <summary>Message</summary>
      ${message}
    </details>`;
}

function DeadLetters({ depth }) {
  const found = letters.value;
  const waiting = (depth?.waiting ?? 0) + (depth?.inFlight ?? 0);
  return html`<section aria-labelledby="dead">
    <h2 id="dead">Dead letters</h2>
    <p>
      ${depth ? `${waiting} wait to be resolved.` : 'How many wait is not known.'}${' '}
      <button type="button" class="small" disabled=${!waiting} onClick=${() => redrive(waiting)}>
        Redrive…
      </button>
    </p>
    ${
      !found
        ? html`<p class="hint">…</p>`
        : !found.deadLetters.length
          ? html`<p class="hint">None was ever archived.</p>`
          : html`<${Table}
                caption="Archived, newest first"
                heads=${['When', 'Order', 'Stands', 'Received', 'Reason', 'Redrive']}
                rows=${found.deadLetters.map((each) => [
                  each.archivedAt,
                  each.orderId ? html`<span title=${each.orderId}>${shortId(each.orderId)}</span>` : '–',
                  each.orderStatus ?? '–',
                  each.receiveCount,
                  html`<span class="wraps">${each.reason}</span>`,
                  html`<${Again} of=${each} />`,
                ])}
              />
              ${
                found.nextCursor &&
                html`<p>
                  <button type="button" onClick=${() => more(found.nextCursor)}>Older</button>
                </p>`
              }`
    }
  </section>`;
}
