// What a volume is made of (pure): from the archive's sums of a symbol's tape.

/**
 * `sums` are rows of /api/v1/volume: {generation, kind, phase, cause, late, clipped, anchored, lines, volume}.
 * Returns {prints, gaps, fills, corrections, late, clipped, outside, causes, generations, total}: each part is {lines, volume}, `causes` a
 * Map of parts by cause. As the feed counts: anchored prints + gaps − fills + corrections = total, in each generation of its counter;
 * put-through deals and odd lots stay outside, but what of a deal's volume the feed counts fills a gap.
 */
export function evidenceOf(sums) {
  const part = () => ({ lines: 0, volume: 0 });
  const parts = { prints: part(), gaps: part(), fills: part(), corrections: part(), late: part(), clipped: part(), outside: part() };
  const causes = new Map();
  const generations = new Map();
  const add = (to, sum) => {
    to.lines += sum.lines;
    to.volume += sum.volume;
  };
  for (const sum of sums) {
    const isOutside = sum.phase === "put_through" || sum.phase === "odd_lot" || !sum.anchored;
    let counts = 0;
    if (sum.kind === "print" && isOutside) add(parts.outside, sum);
    else if (sum.kind === "print") {
      add(parts.prints, sum);
      if (sum.late) add(parts.late, sum);
      if (sum.clipped) add(parts.clipped, sum);
      counts = 1;
    } else if (sum.kind === "gap") {
      add(parts.gaps, sum);
      if (!causes.has(sum.cause)) causes.set(sum.cause, part());
      add(causes.get(sum.cause), sum);
      counts = 1;
    } else if (sum.kind === "fill" && sum.phase !== "put_through") {
      add(parts.fills, sum);
      counts = -1;
    } else if (sum.kind === "correction") {
      add(parts.corrections, sum);
      counts = 1;
    }
    if (counts !== 0) generations.set(sum.generation, (generations.get(sum.generation) ?? 0) + counts * sum.volume);
  }
  const total = [...generations.values()].reduce((a, b) => a + b, 0);
  return { ...parts, causes, generations, total };
}
