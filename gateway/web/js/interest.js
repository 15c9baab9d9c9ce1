// What the page is interested in, by who on it is: from that the commands that keep a subscription in step (pure).

const BATCH = 400; // symbols in a command, which may have 8 KiB

export class Interest {
  constructor() {
    this.holders = new Map(); // who → words
  }

  get words() {
    return new Set([...this.holders.values()].flat());
  }

  /**
   * Let `who` want `words`, and nothing else any more. Returns [{op: "subscribe" or "unsubscribe", words}].
   *
   * What is new is asked for before anything is given up, so that what both have does not stop. A single symbol that is given up is
   * also taken out of the groups that have it; so these are asked for again.
   */
  want(who, words) {
    const before = this.words;
    if (words.length === 0) this.holders.delete(who);
    else this.holders.set(who, words);
    const now = this.words;
    const added = [...now].filter((word) => !before.has(word));
    const gone = [...before].filter((word) => !now.has(word));
    const single = gone.some((word) => !word.startsWith("@") && word !== "*");
    const kept = single ? [...now].filter((word) => !added.includes(word)) : [];
    // `*` is given up by name like a group, but takes everything with it.
    if (gone.includes("*")) return [...batches("unsubscribe", gone), ...batches("subscribe", [...now])];
    return [...batches("subscribe", added), ...batches("unsubscribe", gone), ...batches("subscribe", kept)];
  }
}

function batches(op, words) {
  const all = [];
  for (let i = 0; i < words.length; i += BATCH) all.push({ op, words: words.slice(i, i + BATCH) });
  return all;
}
