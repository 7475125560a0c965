// The page's state is in its address: #/orders?status=open&pair=SOL/USDC
import { signal } from '@preact/signals';
import { onLeaving } from './session.js';

export const address = signal(read());
addEventListener('hashchange', () => {
  address.value = read();
});

function read() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const [page, ...rest] = path.split('/').map(decoded);
  return { page: page || 'orders', id: rest[0] ?? '', query: new URLSearchParams(query) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// Filters, and which order is looked at, are the account's that chose them.
onLeaving(() => {
  const { page } = address.value;
  history.replaceState(null, '', `#/${page === 'order' ? 'orders' : encodeURIComponent(page)}`);
  address.value = read();
});

export function go(path) {
  location.hash = `#/${path}`;
}

// Changes one member of the query, without a step in the history for each letter.
export function setQuery(changes) {
  const { page, id, query } = address.value;
  const changed = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value) changed.set(name, value);
    else changed.delete(name);
  }
  const text = String(changed);
  history.replaceState(
    null,
    '',
    `#/${[page, id].filter(Boolean).map(encodeURIComponent).join('/')}${text ? `?${text}` : ''}`,
  );
  address.value = read();
}
