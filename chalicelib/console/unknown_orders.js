// Orders of which it is not known whether they were accepted, one for each account that was signed in here.
import { signal } from '@preact/signals';

const orders = signal(new Map());

// { asked: the form, order, clientOrderId, problem }, or undefined.
export const unknownOf = (account) => orders.value.get(account);

export function setUnknown(account, unknown) {
  const others = [...orders.value].filter(([each]) => each !== account);
  orders.value = new Map(unknown ? [...others, [account, unknown]] : others);
}
