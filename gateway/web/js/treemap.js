// A squarified treemap (pure), after Bruls, Huizing and van Wijk: rectangles as near to squares as a row at a time allows.

/**
 * Lay out `items`, each with a positive `size`, into a rectangle; the larger ones first.
 * Returns [{item, x, y, width, height}].
 */
export function squarified(items, width, height) {
  const sorted = items.filter((item) => item.size > 0).sort((a, b) => b.size - a.size);
  const all = sorted.reduce((sum, item) => sum + item.size, 0);
  if (all === 0) return [];
  const scale = (width * height) / all;
  const tiles = [];
  let room = { x: 0, y: 0, width, height };
  let row = [];
  for (const item of sorted) {
    const side = Math.min(room.width, room.height);
    const longer = [...row, item];
    if (row.length > 0 && worst(longer, side, scale) > worst(row, side, scale)) {
      room = lay(row, room, scale, tiles);
      row = [item];
    } else row = longer;
  }
  lay(row, room, scale, tiles);
  return tiles;
}

function worst(row, side, scale) {
  const areas = row.map((item) => item.size * scale);
  const sum = areas.reduce((a, b) => a + b, 0);
  return Math.max(...areas.map((area) => Math.max((side * side * area) / (sum * sum), (sum * sum) / (side * side * area))));
}

function lay(row, room, scale, tiles) {
  const area = row.reduce((sum, item) => sum + item.size, 0) * scale;
  const isWide = room.width >= room.height;
  const thick = area / (isWide ? room.height : room.width);
  let at = 0;
  for (const item of row) {
    const long = (item.size * scale) / thick;
    tiles.push(
      isWide
        ? { item, x: room.x, y: room.y + at, width: thick, height: long }
        : { item, x: room.x + at, y: room.y, width: long, height: thick },
    );
    at += long;
  }
  return isWide
    ? { x: room.x + thick, y: room.y, width: room.width - thick, height: room.height }
    : { x: room.x, y: room.y + thick, width: room.width, height: room.height - thick };
}
