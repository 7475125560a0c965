// Orders: the blotter, live.
import { address, go, setQuery } from './address.js';
import { amend, cancel, cancelAll, noteFault } from './commands.js';
import { book, hasOlder, isCatchingUp, isRead, readOlder } from './follow.js';
import { html } from './html.js';
import { marks, marketsProblem } from './markets.js';
import {
  age,
  amountToken,
  away,
  bound,
  boundWords,
  FINAL,
  kindOf,
  MAY_CANCEL,
  now,
  pairOf,
  percent,
  priceUnit,
  shortId,
  STATUSES,
  tone,
  TYPES,
} from './words.js';
import { VirtualRows } from './virtual_rows.js';

const ROW_HEIGHT = 34;
const GROUPS = { active: (row) => !FINAL.has(row.status), ended: (row) => FINAL.has(row.status) };

export const Status = ({ status }) => html`<span class=${`status ${tone(status)}`}>${status}</span>`;

function Distance({ row }) {
  if (bound(row) === null || FINAL.has(row.status)) return '–';
  const mark = marketsProblem.value ? null : marks.value.get(pairOf(row).name);
  return mark?.price ? percent(away(mark.price, row)) : '?';
}

// A column may be too narrow for all digits: the hint has them.
const Whole = ({ text, unit = '' }) =>
  html`<span title=${[text, unit].filter(Boolean).join(', ')}>${text}</span>`;

/** Return a row's button; the row is what the keyboard reaches. */
const button = (text, onClick) =>
  html`<button type="button" class="small" tabindex="-1" onClick=${onClick}>${text}</button>`;

const columns = [
  {
    key: 'id',
    title: 'Order',
    cell: (row) =>
      html`<a href=${`#/order/${row.orderId}`} tabindex="-1" title=${row.orderId}
        >${shortId(row.orderId)}</a
      >`,
  },
  { key: 'state', title: 'Status', cell: (row) => html`<${Status} status=${row.status} />` },
  {
    key: 'pair',
    title: 'Pair',
    cell: (row) =>
      html`<a href=${`#/order/${row.orderId}`} tabindex="-1" title=${pairOf(row).name}
        >${pairOf(row).name}</a
      >`,
  },
  {
    key: 'side',
    title: 'Side',
    cell: (row) => html`<span class=${pairOf(row).side}>${pairOf(row).side}</span>`,
  },
  { key: 'type', title: 'Type', cell: kindOf },
  {
    key: 'amount',
    title: 'Amount',
    cell: (row) =>
      row.isKnown ? html`<${Whole} text=${`${row.amount ?? '?'} ${amountToken(row)}`} />` : '…',
  },
  {
    key: 'bound',
    title: 'Limit or trigger',
    cell: (row) =>
      html`<${Whole} text=${boundWords(row)} unit=${bound(row) === null ? '' : priceUnit(row)} />`,
  },
  {
    key: 'distance',
    title: 'Away',
    hint: 'How far the limit or trigger is from the mark',
    cell: (row) => html`<${Distance} row=${row} />`,
  },
  {
    key: 'attempt',
    title: 'Try',
    hint: 'The attempt: one signed transaction each',
    cell: (row) => (row.attempt > 1 ? html`<span class="again">↻ ${row.attempt}</span>` : row.attempt),
  },
  {
    key: 'age',
    title: 'Age',
    cell: (row) => age(row.acceptedMs, FINAL.has(row.status) ? (row.updatedMs ?? row.acceptedMs) : now.value),
  },
  {
    key: 'actions',
    title: 'Actions',
    cell: (row) =>
      html`${row.status === 'open' && button('Amend', () => amend(row))}
      ${MAY_CANCEL.has(row.status) && button('Cancel', () => cancel(row))}`,
  },
];

function wanted(query) {
  const status = query.get('status');
  const [pair, type, text] = [query.get('pair'), query.get('type'), query.get('q')?.toLowerCase()];
  return (row) =>
    (!status || (GROUPS[status]?.(row) ?? row.status === status)) &&
    (!pair || pairOf(row).name === pair) &&
    (!type || row.type === type) &&
    (!text || row.orderId.includes(text) || (row.clientOrderId ?? '').toLowerCase().includes(text));
}

function Choice({ name, label, values, groups = [] }) {
  const value = address.value.query.get(name) ?? '';
  return html`<label
    >${label}
    <select name=${name} value=${value} onChange=${(event) => setQuery({ [name]: event.target.value })}>
      <option value="">all</option>
      ${groups.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}
      ${values.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}
    </select></label
  >`;
}

function emptyWords() {
  if (book.ordered.length) return 'No order fits these filters.';
  return isRead.value ? 'No order yet. Make one on the Trade page, or by wscat.' : 'Reading your orders…';
}

export function Orders() {
  book.version.value;
  const { query } = address.value;
  const rows = book.ordered.filter(wanted(query));
  const pairs = [...new Set(book.ordered.map((row) => pairOf(row).name))].filter(Boolean).sort();
  const onKey = (event, row) => {
    if (event.key === 'Delete' && MAY_CANCEL.has(row.status)) cancel(row);
  };
  return html`<h1>Orders</h1>
    <form
      class="filters"
      role="search"
      aria-label="Filter orders"
      onSubmit=${(event) => event.preventDefault()}
    >
      <${Choice} name="status" label="Status" groups=${Object.keys(GROUPS)} values=${STATUSES} />
      <${Choice} name="pair" label="Pair" values=${pairs} />
      <${Choice} name="type" label="Type" values=${TYPES} />
      <label
        >Id
        <input
          name="q"
          type="search"
          size="14"
          value=${query.get('q') ?? ''}
          onInput=${(event) => setQuery({ q: event.target.value.trim() })}
      /></label>
      <span class="count" role="status"
        >${rows.length} of ${book.ordered.length}${isCatchingUp.value ? ', catching up' : ''}</span
      >
      <button type="button" disabled=${!hasOlder.value} onClick=${() => readOlder().catch(noteFault)}>
        Older
      </button>
      <button type="button" class="danger" onClick=${() => cancelAll(rows, Object.fromEntries(query))}>
        Cancel all…
      </button>
    </form>
    <${VirtualRows}
      label="Orders"
      columns=${columns}
      rows=${rows}
      rowHeight=${ROW_HEIGHT}
      onOpen=${(row) => go(`order/${row.orderId}`)}
      onKey=${onKey}
      empty=${emptyWords()}
    />
    <p class="hint">Arrow keys move, Enter opens, Delete cancels.</p>`;
}
