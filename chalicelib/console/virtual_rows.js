// A grid that draws only the rows that are seen: five thousand cost as much as forty.
import { useEffect, useRef, useState } from 'preact/hooks';
import { html } from './html.js';

const BEYOND = 6;

// columns: [{ key, title, cell(row), hint }]. rows: all of them. onOpen(row), onKey(event, row).
export function VirtualRows({ label, columns, rows, rowHeight, onOpen, onKey, empty }) {
  const body = useRef(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const [chosenId, setChosenId] = useState(null);

  useEffect(() => {
    const element = body.current;
    let isDue = false;
    const measure = () => {
      isDue = false;
      setView({ top: element.scrollTop, height: element.clientHeight });
    };
    const soon = () => {
      if (!isDue) requestAnimationFrame(measure);
      isDue = true;
    };
    element.addEventListener('scroll', soon, { passive: true });
    const resized = new ResizeObserver(soon);
    resized.observe(element);
    return () => {
      element.removeEventListener('scroll', soon);
      resized.disconnect();
    };
  }, []);

  const chosen = chosenId === null ? -1 : rows.findIndex((row) => row.orderId === chosenId);
  const first = Math.max(0, Math.floor(view.top / rowHeight) - BEYOND);
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / rowHeight) + BEYOND);

  const choose = (at) => {
    if (!rows.length) return;
    const to = Math.max(0, Math.min(rows.length - 1, at));
    setChosenId(rows[to].orderId);
    const element = body.current;
    const top = to * rowHeight;
    if (top < element.scrollTop) element.scrollTop = top;
    // The head stays at the top, over the rows, and is as high as one.
    else if (top + 2 * rowHeight > element.scrollTop + element.clientHeight) {
      element.scrollTop = top + 2 * rowHeight - element.clientHeight;
    }
  };
  const keys = {
    ArrowDown: () => choose(chosen + 1),
    ArrowUp: () => choose(Math.max(0, chosen - 1)),
    PageDown: () => choose(chosen + Math.floor(view.height / rowHeight)),
    PageUp: () => choose(Math.max(0, chosen - Math.floor(view.height / rowHeight))),
    Home: () => choose(0),
    End: () => choose(rows.length - 1),
    Enter: () => chosen >= 0 && onOpen(rows[chosen]),
  };
  const onKeyDown = (event) => {
    if (event.target !== body.current || event.ctrlKey || event.metaKey || event.altKey) return;
    if (keys[event.key]) {
      event.preventDefault();
      keys[event.key]();
    } else if (chosen >= 0) onKey?.(event, rows[chosen]);
  };

  return html`<div
    class="grid"
    role="grid"
    aria-label=${label}
    aria-rowcount=${rows.length + 1}
    aria-colcount=${columns.length}
  >
    <div
      class="grid-body"
      ref=${body}
      tabindex="0"
      role="rowgroup"
      aria-label=${`${label}: arrows move, Enter opens`}
      aria-activedescendant=${chosen >= first && chosen < last ? `row-${chosenId}` : undefined}
      onKeyDown=${onKeyDown}
    >
      <div class="grid-head" role="row" aria-rowindex="1">
        ${columns.map(
          ({ key, title, hint }) =>
            html`<span key=${key} class=${`cell ${key}`} role="columnheader" title=${hint}>${title}</span>`,
        )}
      </div>
      <div class="grid-space" role="presentation" style=${{ height: `${rows.length * rowHeight}px` }}>
        ${rows
          .slice(first, last)
          .map(
            (row, index) =>
              html`<div
                key=${row.orderId}
                id=${`row-${row.orderId}`}
                role="row"
                aria-rowindex=${first + index + 2}
                aria-selected=${row.orderId === chosenId}
                class=${`row${row.orderId === chosenId ? ' chosen' : ''}`}
                style=${{
                  transform: `translateY(${(first + index) * rowHeight}px)`,
                  height: `${rowHeight}px`,
                }}
                onClick=${() => setChosenId(row.orderId)}
                onDblClick=${() => onOpen(row)}
              >
                ${columns.map(
                  ({ key, cell }) =>
                    html`<span key=${key} class=${`cell ${key}`} role="gridcell">${cell(row)}</span>`,
                )}
              </div>`,
          )}
      </div>
      ${!rows.length && html`<p class="empty" role="presentation">${empty}</p>`}
    </div>
  </div>`;
}
