// Which lines of a long table have to be in the document (pure).

const BEYOND = 6; // lines above and below what is in view, so that scrolling finds them there

/** The range [first, last) of `count` lines of `height` that is in view between `top` and `top + room`, and some beyond. */
export function linesInView(count, height, top, room) {
  const first = Math.max(0, Math.floor(top / height) - BEYOND);
  const last = Math.min(count, Math.ceil((top + room) / height) + BEYOND);
  return [Math.min(first, last), last];
}

/** Where to scroll to, so that line `place` is in view; `top` if it is. `head` is what the heading covers. */
export function topFor(place, height, top, room) {
  if (place * height < top) return place * height;
  if ((place + 1) * height > top + room) return (place + 1) * height - room;
  return top;
}

/** The columns that fit into `width`: those with the greatest `rank` go first, all with the same at once. */
export function fitting(columns, width) {
  const ranks = [...new Set(columns.map((column) => column.rank))].sort((a, b) => b - a);
  let left = columns;
  for (const rank of ranks) {
    if (total(left) <= width || rank === 0) break;
    left = left.filter((column) => column.rank !== rank);
  }
  return left;
}

/** Where each column begins and how wide it is, in whole pixels, so that together they fill `width`. */
export function placed(columns, width) {
  const scale = Math.max(1, width / total(columns));
  let at = 0;
  return columns.map((column, i) => {
    const end = i === columns.length - 1 ? Math.max(width, at + column.width) : Math.floor(at + column.width * scale);
    const place = { x: Math.floor(at), width: Math.floor(end) - Math.floor(at) };
    at = end;
    return place;
  });
}

function total(columns) {
  return columns.reduce((sum, column) => sum + column.width, 0);
}
