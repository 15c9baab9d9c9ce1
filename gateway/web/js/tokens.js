// What somebody pastes as a token (pure).

// A command has 8 KiB, and the gateway takes no longer token.
export const LONGEST = 8_000;

/** The token in `text`: without the word Bearer, quotes and whatever breaks its lines. */
export function tokenIn(text) {
  return text.replace(/^\s*Bearer\s+/i, "").replace(/[\s"']/g, "");
}

/** Whether that may be a token at all: three parts with a point between them, not too long. */
export function isToken(text) {
  const found = tokenIn(text);
  return found.length <= LONGEST && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(found);
}
