// What would become of an order: what the server says of it before it is sent.
import { html } from './html.js';
import { sentence } from './order_form.js';

const TONES = { passed: 'good', failed: 'bad', waiting: 'rest', unknown: 'busy' };

export function Preview({ asked, shown, close }) {
  const isRefused = shown.verdict === 'refused';
  return html`<p>${sentence(asked, shown.quote)}</p>
    <p>${shown.summary}</p>
    <details>
      <summary>What was looked at</summary>
      <ul class="checks">
        ${shown.checks.map(
          (each) =>
            html`<li key=${each.check}>
              <strong class=${TONES[each.result] ?? ''}>${each.check}</strong> ${each.message}
            </li>`,
        )}
      </ul>
    </details>
    ${
      shown.orderId &&
      html`<p>
        It is an order already:${' '}
        <a href=${`#/order/${shown.orderId}`} onClick=${() => close()}>${shown.orderId}</a>
      </p>`
    }
    <p class="buttons">
      <button type="button" autofocus=${isRefused} onClick=${() => close()}>Leave it</button>
      <button type="button" class="main" autofocus=${!isRefused} onClick=${() => close(true)}>
        ${isRefused ? 'Send all the same' : 'Send'}
      </button>
    </p>`;
}
