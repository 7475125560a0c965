// The tokens that orders may name, asked for until they are known.
import { signal } from '@preact/signals';
import { noteFault } from './commands.js';
import { Doubling } from './doubling.js';
import { ask } from './session.js';

export const tokens = signal([]);

const AGAIN_AFTER_MS = 2_000;
const AGAIN_MOST_MS = 16_000;

// Learns them if they are not known yet; returns what ends that.
export function learnTokens() {
  let isWanted = true;
  let timer = null;
  let isTold = false;
  const pauses = new Doubling(AGAIN_AFTER_MS, AGAIN_MOST_MS);
  const read = async () => {
    try {
      tokens.value = (await ask('/venues')).tokens;
    } catch (error) {
      if (!isTold) noteFault(error);
      isTold = true;
      // An idle stage's first request may outlast its function; without the tokens the form has one pair.
      if (error.mayPass && isWanted) timer = setTimeout(read, pauses.next());
    }
  };
  if (!tokens.value.length) read();
  return () => {
    isWanted = false;
    clearTimeout(timer);
  };
}
