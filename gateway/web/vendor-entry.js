// Everything that the page takes from others, in one module: vendor.sh bundles it into vendor/preact.js.
import htm from "htm";
import { h } from "preact";

export { Component, Fragment, h, render } from "preact";
export { useEffect, useMemo, useRef, useState } from "preact/hooks";
export { batch, computed, effect, signal } from "@preact/signals";
export const html = htm.bind(h);
