// What a trader does to orders that are there. The server's answer is shown in its own words.
import { useState } from 'preact/hooks';
import { confirmed, dialog, note } from './dialogs.js';
import { book } from './follow.js';
import { html } from './html.js';
import { ask } from './session.js';
import { amountToken, MAY_CANCEL, pairOf, priceUnit, shortId } from './words.js';

export const inWords = (error) =>
  error.isMissingRoute ? 'This server cannot do that yet.' : error.message;

// Tells of a question that failed; to an account of its own requests alone.
export function noteFault(error) {
  if (!error.isOfAnother) note(inWords(error), 'bad');
}

// Tells of a command that failed, or that was perhaps carried out.
export function noteFailed(error, about = '') {
  const doubt = error.isUnknown ? '. Whether it was done is not known: look at the order.' : '';
  if (!error.isOfAnother) note(about + inWords(error) + doubt, 'bad');
}

export async function cancel(row) {
  try {
    const order = await ask(`/orders/${row.orderId}`, { method: 'DELETE' });
    book.applyOrder(order);
    note(`${shortId(row.orderId)} is canceled`, 'good');
  } catch (error) {
    noteFailed(error, `${shortId(row.orderId)}: `);
  }
}

// Cancels what the page's filters show: by one request if they are filters that the server has as well.
export async function cancelAll(rows, filters) {
  const open = rows.filter((row) => MAY_CANCEL.has(row.status));
  const isAll = !filters.status && !filters.q;
  if (!isAll && !open.length) {
    note('None of the orders shown can be canceled.');
    return;
  }
  const what = isAll
    ? ['All unfinished orders', filters.type, filters.pair].filter(Boolean).join(', ')
    : `${open.length} of the orders shown`;
  if (
    !(await confirmed(
      'Cancel all of these?',
      `${what} are canceled, unless they are on their way to the chain.`,
      'Cancel them',
    ))
  )
    return;
  try {
    note(isAll ? await cancelByFilters(filters) : await cancelEach(open), 'good');
  } catch (error) {
    noteFailed(error);
  }
}

async function cancelByFilters({ pair, type }) {
  const query = new URLSearchParams();
  if (pair) {
    const [base, quote] = pair.split('/');
    query.set('baseAsset', base);
    query.set('quoteAsset', quote);
  }
  if (type) query.set('types', type);
  let [done, sent, left, more] = [0, 0, false, true];
  while (more) {
    let answer;
    try {
      answer = await ask(`/orders${query.size ? `?${query}` : ''}`, { method: 'DELETE' });
    } catch (error) {
      if (done) error.message = `${done} are canceled; then: ${error.message}`;
      throw error;
    }
    done += answer.canceled;
    sent = answer.alreadySent.length;
    left = answer.more;
    more = left && answer.canceled > 0;
  }
  const others = left ? '; others cannot be canceled yet, try again in a minute' : '';
  return `${done} canceled${sent ? `, ${sent} were sent already` : ''}${others}`;
}

async function cancelEach(rows) {
  let [done, refused] = [0, 0];
  const waiting = [...rows];
  const worker = async () => {
    for (let row = waiting.pop(); row; row = waiting.pop()) {
      try {
        book.applyOrder(await ask(`/orders/${row.orderId}`, { method: 'DELETE' }));
        done += 1;
      } catch (error) {
        if (error.isOfAnother) throw error; // the rest is not to be asked for in another's name
        refused += 1;
      }
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  return `${done} canceled${refused ? `, ${refused} could not be` : ''}`;
}

const AMENDABLE = [
  ['limitPrice', 'Limit price', (row) => row.limitPrice],
  ['triggerPrice', 'Trigger price', (row) => row.trigger?.price],
  ['amount', 'Amount', (row) => row.amount],
  ['expiresAt', 'Expires at', (row) => row.expiresAt ?? row.validUntil],
];

export async function amend(row) {
  const body = await dialog(
    `Amend ${shortId(row.orderId)}, ${pairOf(row).name}`,
    ({ close }) => html`<${AmendForm} row=${row} close=${close} />`,
  );
  if (!body) return;
  try {
    book.applyOrder(await ask(`/orders/${row.orderId}`, { method: 'PATCH', body }));
    note(`${shortId(row.orderId)} is amended`, 'good');
  } catch (error) {
    noteFailed(error, `${shortId(row.orderId)}: `);
  }
}

function AmendForm({ row, close }) {
  const [seq] = useState(row.seq);
  const onSubmit = (event) => {
    event.preventDefault();
    const said = new FormData(event.target);
    // `ifSeq`: what happened to the order while the form was open is not overwritten unseen.
    const body = { ifSeq: seq };
    for (const [name, , before] of AMENDABLE) {
      const text = said.get(name)?.trim();
      if (text && text !== before(row)) body[name] = text;
    }
    close(Object.keys(body).length > 1 ? body : undefined);
  };
  return html`<form onSubmit=${onSubmit}>
    ${AMENDABLE.filter(([, , before]) => before(row)).map(
      ([name, title, before]) =>
        html`<label key=${name} class="line"
          >${title}${name.endsWith('Price') && `, ${priceUnit(row)}`}
          ${name === 'amount' && ` of ${amountToken(row)}`}
          <input name=${name} defaultValue=${before(row)} autocomplete="off"
        /></label>`,
    )}
    <p class="buttons">
      <button type="button" onClick=${() => close()}>Leave it</button><button class="main">Amend</button>
    </p>
  </form>`;
}
