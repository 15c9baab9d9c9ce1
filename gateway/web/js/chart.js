// Charts, in Preact's hands: the library is loaded with the first of them.

import { html, useEffect, useRef, useState } from "/vendor/preact.js";
import { colourOf, painted } from "./theme.js";
import { t } from "./text.js";

// Its licence asks for this link beside its charts.
const MAKERS = "https://www.tradingview.com/";
const ICT_S = 7 * 3_600;
// It knows UTC only: times are moved, so that it writes Vietnam's.
const seconds = (ms, isDay) => Math.floor(ms / 1_000) + (isDay ? 0 : ICT_S);

let loading = null;
const load = () => (loading ??= import("/vendor/charts.js"));

function look() {
  const line = colourOf("line");
  return {
    autoSize: true,
    layout: {
      background: { color: "transparent" }, textColor: colourOf("muted"), fontSize: 11, attributionLogo: false,
      panes: { separatorColor: line, separatorHoverColor: line },
    },
    grid: { vertLines: { color: line }, horzLines: { color: line } },
    rightPriceScale: { borderColor: line },
    timeScale: { borderColor: line, timeVisible: true, secondsVisible: false, rightOffset: 2 },
    localization: { locale: "en-GB" },
  };
}

/**
 * A chart with its attribution. `start(library, chart)` makes the series and returns `set(data)`, which is called with `data` now and
 * whenever that changes.
 */
export function Chart({ start, data, label, className = "" }) {
  const element = useRef(null);
  const own = useRef(null);
  const latest = useRef(data);
  latest.current = data;
  const [, setReady] = useState(false);
  void painted.value;
  useEffect(() => {
    let current = true;
    load().then((library) => {
      if (!current) return;
      const chart = library.createChart(element.current, look());
      own.current = { chart, set: start(library, chart) };
      own.current.set(latest.current);
      setReady(true);
    });
    return () => {
      current = false;
      own.current?.chart.remove();
      own.current = null;
    };
  }, [painted.value]);
  useEffect(() => own.current?.set(data), [data]);
  return html`<figure class="chart ${className}">
    <div class="canvas" ref=${element} role="img" aria-label=${label}></div>
    <figcaption>${t("chartBy")} <a href=${MAKERS} target="_blank" rel="noopener noreferrer">TradingView</a></figcaption>
  </figure>`;
}

const priceFormat = (digits) => ({
  type: "custom", minMove: 0.01, formatter: (value) => value.toFixed(digits),
});

/** A line that is there while it has points; `add` makes its series. Returns what sets its points: [{at, value}]. */
function optionalLine(chart, add) {
  let series = null;
  return (line) => {
    if (line.length === 0) {
      if (series !== null) chart.removeSeries(series);
      series = null;
      return;
    }
    series ??= add();
    series.setData(line.map(({ at, value }) => ({ time: seconds(at, false), value })));
  };
}

/**
 * Candles with their volumes, and marks: `data` is {bars, marks, points, isDay, at, beside}. Prices are as on the wire. `beside` is what is
 * shown with them, in points: {vn30, basis}; the index has a scale of its own on the left, the basis a part of the chart.
 */
export function startCandles(library, chart) {
  const [up, down] = [colourOf("up"), colourOf("down")];
  const candles = chart.addSeries(library.CandlestickSeries, {
    upColor: up, borderUpColor: up, wickUpColor: up, downColor: down, borderDownColor: down, wickDownColor: down,
  });
  const volumes = chart.addSeries(library.HistogramSeries, { priceFormat: { type: "volume" }, priceLineVisible: false, lastValueVisible: false }, 1);
  chart.panes()[1].setStretchFactor(0.25);
  chart.panes()[0].setStretchFactor(0.75);
  const marks = library.createSeriesMarkers(candles, []);
  const setIndex = optionalLine(chart, () =>
    chart.addSeries(library.LineSeries, {
      color: colourOf("floor"), lineWidth: 1, title: "VN30", priceScaleId: "left", priceLineVisible: false, priceFormat: priceFormat(2),
    }),
  );
  const setBasis = optionalLine(chart, () => {
    const line = addBaseline(library, chart, 2);
    line.applyOptions({ priceFormat: priceFormat(2), priceLineVisible: false });
    chart.panes()[2].setStretchFactor(0.25);
    return line;
  });
  let shown = null;
  return ({ bars, marks: marked, points, isDay, at, key, beside }) => {
    const scale = points ? 100 : 1_000;
    const digits = points ? 1 : 2;
    candles.applyOptions({ priceFormat: priceFormat(digits) });
    candles.setData(
      bars.map((bar) => ({ time: seconds(bar.at, isDay), open: bar.open / scale, high: bar.high / scale, low: bar.low / scale, close: bar.close / scale })),
    );
    volumes.setData(
      bars.map((bar) => ({ time: seconds(bar.at, isDay), value: bar.volume, color: `${bar.close >= bar.open ? up : down}88` })),
    );
    marks.setMarkers(
      marked.map(({ at: ms, text, isAlert }) => ({
        time: seconds(ms, isDay), position: isAlert ? "belowBar" : "aboveBar", shape: isAlert ? "circle" : "square", size: 0.6,
        color: colourOf(isAlert ? "ceiling" : "reference"), text,
      })),
    );
    setIndex(beside.vn30);
    setBasis(beside.basis);
    chart.applyOptions({ timeScale: { timeVisible: !isDay }, leftPriceScale: { visible: beside.vn30.length > 0, borderColor: colourOf("line") } });
    if (shown === key || bars.length === 0) return;
    shown = key;
    const place = at ? bars.findLastIndex((bar) => bar.at <= at) : -1;
    if (place >= 0) chart.timeScale().setVisibleLogicalRange({ from: place - 20, to: place + 20 });
    else chart.timeScale().setVisibleLogicalRange({ from: Math.max(-2, bars.length - 90), to: bars.length + 2 });
  };
}

function addBaseline(library, chart, pane = 0) {
  const [up, down] = [colourOf("up"), colourOf("down")];
  return chart.addSeries(library.BaselineSeries, {
    baseValue: { type: "price", price: 0 }, topLineColor: up, topFillColor1: `${up}55`, topFillColor2: `${up}11`,
    bottomLineColor: down, bottomFillColor1: `${down}11`, bottomFillColor2: `${down}55`, lineWidth: 2,
  }, pane);
}

/** A line around zero: `data` is {line: [{at, value}], digits}. */
export function startBaseline(library, chart) {
  const series = addBaseline(library, chart);
  return ({ line, digits }) => {
    series.applyOptions({ priceFormat: priceFormat(digits) });
    series.setData(line.map(({ at, value }) => ({ time: seconds(at, false), value })));
    series.priceScale().setAutoScale(true);
    chart.timeScale().fitContent();
  };
}

/** Basis around zero, and below it future and index: `data` is {line: [{at, basis, price, index}]}. */
export function startBasis(library, chart) {
  const set = startBaseline(library, chart);
  const options = { lineWidth: 1, priceLineVisible: false };
  const future = chart.addSeries(library.LineSeries, { ...options, color: colourOf("reference"), title: "F" }, 1);
  const index = chart.addSeries(library.LineSeries, { ...options, color: colourOf("floor"), title: "VN30" }, 1);
  return ({ line }) => {
    future.setData(line.map(({ at, price }) => ({ time: seconds(at, false), value: price })));
    index.setData(line.map(({ at, index: value }) => ({ time: seconds(at, false), value })));
    set({ line: line.map(({ at, basis }) => ({ at, value: basis })), digits: 2 });
  };
}
