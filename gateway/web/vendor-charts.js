// Charts, in a module of their own that is loaded when the first one is shown: vendor.sh bundles it into vendor/charts.js.
export { BaselineSeries, CandlestickSeries, createChart, createSeriesMarkers, HistogramSeries, LineSeries } from "lightweight-charts";
