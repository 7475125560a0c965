// Audit: every rule that must hold in the record, and when it last did.
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { inWords } from './commands.js';
import { html } from './html.js';
import { NotForYou } from './operator_only.js';
import { ask, token } from './session.js';
import { age, now } from './words.js';

const AGAIN_AFTER_MS = 3_000;
const rules = signal(null);
const running = signal(new Set());
const problems = signal(new Map()); // ruleId → why it could not be checked
const failed = signal(null);
token.subscribe(() => {
  rules.value = failed.value = null;
  running.value = new Set();
  problems.value = new Map();
});

export function Audit() {
  useEffect(() => {
    let timer = null;
    let isOver = false;
    const read = async () => {
      try {
        rules.value = (await ask('/operator/audit')).rules;
        failed.value = null;
      } catch (error) {
        if (error.isOfAnother) return;
        failed.value = error;
        if (error.mayPass && !isOver) timer = setTimeout(read, AGAIN_AFTER_MS);
      }
    };
    read();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, []);
  if (failed.value?.isForbidden)
    return html`<h1>Audit</h1>
      <${NotForYou} />`;
  const isBusy = running.value.size > 0;
  return html`<h1>Audit</h1>
    ${failed.value && html`<p role="alert" class="banner bad">${inWords(failed.value)}</p>`}
    <p class="hint">
      Each rule is checked by itself, in a snapshot of its own. What counts in the end is${' '}
      <code>./orderflow audit</code> with the database owner's login: it takes no function's word for
      anything.
    </p>
    ${
      rules.value &&
      html`<p class="buttons start">
          <button type="button" class="main" disabled=${isBusy} onClick=${runAll}>
            ${isBusy ? 'Checking…' : 'Check all now'}
          </button>
        </p>
        <ul class="rules">
          ${rules.value.map((rule) => html`<${Rule} key=${rule.ruleId} rule=${rule} />`)}
        </ul>`
    }`;
}

function lightOf(rule) {
  if (running.value.has(rule.ruleId)) return ['busy', 'checking'];
  if (problems.value.has(rule.ruleId)) return ['busy', 'not checked'];
  if (!rule.ranAt) return ['still', 'never checked'];
  return rule.violations.length ? ['bad', 'broken'] : ['good', 'holds'];
}

function Rule({ rule }) {
  const [tone, word] = lightOf(rule);
  const held = rule.heldAt
    ? `last held ${age(Date.parse(rule.heldAt), now.value)} ago`
    : 'never seen to hold here';
  return html`<li>
    <span class=${`status ${tone}`}>${word}</span>
    <span class="rule"
      >${rule.rule}
      ${problems.value.has(rule.ruleId) && html`<span class="bad"> ${problems.value.get(rule.ruleId)}</span>`}
      ${
        rule.violations.length > 0 &&
        html`<ul class="bad">
          ${rule.violations.map(
            (each, index) => html`<li key=${index}>${each.subject}: ${each.problem}</li>`,
          )}
        </ul>`
      }</span
    >
    <span class="held">${held}${rule.durationMs === null ? '' : `, ${rule.durationMs} ms`}</span>
    <button
      type="button"
      class="small"
      disabled=${running.value.has(rule.ruleId)}
      aria-label=${`Check now: ${rule.rule}`}
      onClick=${() => run(rule)}
    >
      Check
    </button>
  </li>`;
}

// Returns whether the account is still there that asked.
async function run({ ruleId }) {
  running.value = new Set([...running.value, ruleId]);
  let problem = null;
  try {
    const result = await ask(`/operator/audit/${ruleId}`, { method: 'POST' });
    rules.value = rules.value.map((rule) => (rule.ruleId === ruleId ? result : rule));
  } catch (error) {
    if (error.isOfAnother) return false;
    problem = inWords(error);
  }
  // Others that ran meanwhile keep theirs.
  const others = [...problems.value].filter(([each]) => each !== ruleId);
  problems.value = new Map(problem === null ? others : [...others, [ruleId, problem]]);
  running.value = new Set([...running.value].filter((each) => each !== ruleId));
  return true;
}

// One after the other: an audit is not to take the database from those who trade.
async function runAll() {
  for (const rule of rules.value) if (!(await run(rule))) return;
}
