// One modal question at a time, in the browser's own dialog: focus stays in it, Escape leaves it.
import { signal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { html } from './html.js';
import { onLeaving, token } from './session.js';

const open = signal(null);
export const notes = signal([]);
const NOTE_MS = 6_000;
let lastNote = 0;
// An answer would be that of an account which is gone.
token.subscribe(() => open.peek()?.close());
onLeaving(() => {
  notes.value = [];
});

// Shows a dialog; `body` gets `close`, and its result resolves the promise (undefined: left). One that is
// open stays, and the newcomer is left: its button would come under a click that was meant for the other's.
export function dialog(title, body) {
  if (open.peek()) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    open.value = {
      title,
      body,
      close: (result) => {
        open.value = null;
        resolve(result);
      },
    };
  });
}

export const confirmed = (title, text, yes) =>
  dialog(
    title,
    ({ close }) =>
      html`<p>${text}</p>
        <p class="buttons">
          <button type="button" onClick=${() => close()}>Leave it</button>
          <button type="button" class="main" autofocus onClick=${() => close(true)}>${yes}</button>
        </p>`,
  );

export function note(text, tone = '') {
  const id = ++lastNote;
  notes.value = [...notes.value.slice(-3), { id, text, tone }];
  setTimeout(() => {
    notes.value = notes.value.filter((each) => each.id !== id);
  }, NOTE_MS);
}

export function Dialogs() {
  const element = useRef(null);
  const shown = open.value;
  // Before the next frame: a question that is answered and still open would swallow the next click.
  useLayoutEffect(() => {
    if (shown && !element.current.open) element.current.showModal();
    if (!shown && element.current.open) element.current.close();
  }, [shown]);
  return html`<dialog ref=${element} aria-labelledby="dialog-title" onCancel=${() => shown?.close()}>
      ${
        shown &&
        html`<h2 id="dialog-title">${shown.title}</h2>
          <${shown.body} close=${shown.close} />`
      }
    </dialog>
    <div class="notes" role="status" aria-live="polite">
      ${notes.value.map(({ id, text, tone }) => html`<p key=${id} class=${`note ${tone}`}>${text}</p>`)}
    </div>`;
}
