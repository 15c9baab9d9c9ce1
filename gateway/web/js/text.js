// The page's words, in Vietnamese and English.

import { signal } from "/vendor/preact.js";

const LANGUAGE = "language";
export const language = signal(localStorage.getItem(LANGUAGE) === "en" ? "en" : "vi");

export function speak(code) {
  language.value = code;
  localStorage.setItem(LANGUAGE, code);
  document.documentElement.lang = code;
}

const WORDS = {
  title: ["Bảng giá", "Price board"],
  symbol: ["CK", "Symbol"],
  reference: ["TC", "Ref"],
  ceiling: ["Trần", "Ceil"],
  floor: ["Sàn", "Floor"],
  bidSide: ["Bên mua", "Bid"],
  askSide: ["Bên bán", "Ask"],
  match: ["Khớp lệnh", "Matched"],
  price: ["Giá", "Price"],
  volume: ["KL", "Vol"],
  total: ["Tổng KL", "Total vol"],
  high: ["Cao", "High"],
  average: ["TB", "Avg"],
  low: ["Thấp", "Low"],
  foreign: ["ĐTNN", "Foreign"],
  bought: ["Mua", "Buy"],
  sold: ["Bán", "Sell"],
  room: ["Room", "Room"],
  units: ["Giá × 1.000 đ; KL: cổ phiếu", "Price × 1,000 VND; volume in shares"],
  pointUnits: ["Giá: điểm; KL: hợp đồng", "Price in points; volume in contracts"],
  expected: ["Dự khớp", "Indicative"],
  futures: ["Phái sinh", "Futures"],
  boards: ["Nhóm mã", "Groups"],
  search: ["Tìm mã", "Find symbol"],
  noRows: ["Chưa có mã nào trong nhóm này.", "No symbol in this group yet."],
  noMatch: ["Không có mã nào khớp.", "No symbol matches."],
  noGroups: [
    "Chưa biết rổ VN30: nguồn tham chiếu chưa có. Chọn HOSE, HNX hoặc UPCOM.",
    "The members of VN30 are not known yet: no reference data came. Choose HOSE, HNX or UPCOM.",
  ],
  value: ["GTGD", "Value"],
  billion: ["tỷ", "bn"],
  shares: ["CP", "shares"],
  flow: ["Khối ngoại", "Foreign flow"],
  net: ["Ròng", "Net"],
  netBuy: ["Mua ròng", "Net buying"],
  netSell: ["Bán ròng", "Net selling"],
  market: ["Thị trường", "Market"],
  noFlow: ["Chưa có giao dịch khối ngoại.", "No foreign trade yet."],
  basis: ["Phái sinh · Basis", "Futures · basis"],
  contract: ["Hợp đồng", "Contract"],
  spread: ["Chênh lệch", "Basis"],
  expiry: ["Còn lại", "Expires"],
  days: ["ngày", "d"],
  indexStale: ["chỉ số đứng", "index not live"],
  noBasis: ["Chưa có giá phái sinh.", "No futures price yet."],
  alerts: ["Cảnh báo", "Alerts"],
  noAlerts: ["Chưa có cảnh báo.", "No alert yet."],
  age: ["Tuổi dữ liệu", "Data age"],
  skew: ["Lệch đồng hồ", "Clocks differ,"],
  feed: ["Nguồn", "Feed"],
  session: ["Phiên", "Session"],
  live: ["Trực tiếp", "Live"],
  connecting: ["Đang kết nối…", "Connecting…"],
  waiting: ["Mất kết nối", "Disconnected"],
  ended: ["Đã ngắt", "Closed"],
  retry: ["thử lại sau", "trying again in"],
  staleBoard: ["Dữ liệu không cập nhật", "Data is not moving"],
  since: ["lần cuối", "last"],
  staleConnection: ["Mất kết nối: bảng đang hiển thị giá cũ", "Disconnected: the board shows old prices"],
  reload: ["Tải lại trang", "Reload the page"],
  noFeed: ["chưa có nguồn", "no feed yet"],
  up: ["hoạt động", "up"],
  down: ["ngắt", "down"],
  silent: ["im lặng", "silent"],
  stopped: ["dừng", "stopped"],
  advances: ["tăng (trần)", "advances (at ceiling)"],
  unchanged: ["đứng giá", "unchanged"],
  declines: ["giảm (sàn)", "declines (at floor)"],
  putThrough: ["Thỏa thuận", "Put-through"],
};

/** A word in the page's language; whoever asks is drawn again when the language changes. */
export function t(word) {
  return WORDS[word][language.value === "vi" ? 0 : 1];
}

const PHASES = {
  pre_open: ["Trước giờ", "Before the open"],
  ato: ["Khớp lệnh định kỳ mở cửa", "Opening auction (ATO)"],
  continuous: ["Liên tục", "Continuous"],
  break: ["Nghỉ trưa", "Lunch break"],
  atc: ["Khớp lệnh định kỳ đóng cửa", "Closing auction (ATC)"],
  post_close: ["Sau giờ", "After hours"],
  closed: ["Đóng cửa", "Closed"],
};

/** What a phase is called. */
export function phaseName(phase) {
  return phase ? PHASES[phase][language.value === "vi" ? 0 : 1] : "–";
}
