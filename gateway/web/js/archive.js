// What the gateway answers from the archive, as objects.

import { authorization } from "./session.js";

const PAGES_AT_MOST = 10;

export class ArchiveAway extends Error {}

/** The token is not good for what was asked. */
export class NotAllowed extends ArchiveAway {}

/**
 * The rows of /api/v1/`path`, as objects; page after page, `pages` at most.
 *
 * Raises ArchiveAway if the archive, or the gateway, does not answer; NotAllowed if it may not.
 */
export async function ask(path, parameters, pages = PAGES_AT_MOST) {
  const found = [];
  let after = null;
  for (let page = 0; page < pages; page++) {
    const query = new URLSearchParams({ ...parameters, ...(after === null ? {} : { after }) });
    let answer;
    try {
      const response = await fetch(`/api/v1/${path}?${query}`, { headers: authorization() });
      answer = await response.json();
      if (response.status === 403) throw new NotAllowed(answer.error);
      if (!response.ok) throw new ArchiveAway(answer.error);
    } catch (error) {
      throw error instanceof ArchiveAway ? error : new ArchiveAway(error.message);
    }
    for (const values of answer.rows) found.push(Object.fromEntries(answer.cols.map((name, i) => [name, values[i]])));
    after = answer.next;
    if (after === null) break;
  }
  return found;
}
