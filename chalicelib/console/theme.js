// Light or dark: as the system has it, until chosen otherwise.
import { signal } from '@preact/signals';
import { html } from './html.js';

const KEY = 'orderflow-theme';
const NEXT = { auto: 'light', light: 'dark', dark: 'auto' };

const theme = signal(NEXT[localStorage.getItem(KEY)] ? localStorage.getItem(KEY) : 'auto');
theme.subscribe((name) => {
  if (name === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  localStorage.setItem(KEY, name);
});

export const ThemeButton = () =>
  html`<button
    type="button"
    class="small"
    aria-label=${`Colours: ${theme.value}. Change them`}
    onClick=${() => {
      theme.value = NEXT[theme.value];
    }}
  >
    ${{ auto: '◐ auto', light: '☀ light', dark: '☾ dark' }[theme.value]}
  </button>`;
