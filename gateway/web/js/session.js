// Who the page's user is, for a gateway with accounts: a token, which this tab of the browser keeps until it is closed, and nothing longer.

import { signal } from "/vendor/preact.js";
import { tokenIn } from "./tokens.js";

const NAME = "token";

/** The token, or null. */
export const token = signal(read());

/** Whether the gateway has no accounts; until it has spoken nobody knows. */
export const isOpen = signal(false);

/** Whether anything may be asked of the gateway's REST; whoever reads it is drawn again when that changes. */
export const mayAsk = () => isOpen.value || token.value !== null;

function read() {
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    return null; // the browser keeps nothing for this page
  }
}

function write(text) {
  try {
    if (text === null) sessionStorage.removeItem(NAME);
    else sessionStorage.setItem(NAME, text);
  } catch {
    // Then it lasts as long as the page.
  }
}

/** Keep the token in what somebody pasted; returns it. */
export function keepToken(text) {
  token.value = tokenIn(text);
  write(token.value);
  return token.value;
}

export function forgetToken() {
  token.value = null;
  write(null);
}

/** What a request under /api/ says of its sender. */
export const authorization = () => (token.peek() === null ? {} : { Authorization: `Bearer ${token.peek()}` });
