#pragma once

namespace trainyard::report {

/// The report's style sheet. Series colours --s0 to --s7 keep apart for readers who do not tell red
/// from green (palette after Okabe and Ito), in both themes.
inline constexpr char kPageStyle[] = R"css(
:root{color-scheme:light dark;--paper:#fbfbfa;--panel:#fff;--ink:#1d2327;--muted:#667078;--grid:#dfe3e6;
--good:#16794c;--fair:#9a6700;--bad:#b42318;
--s0:#0072b2;--s1:#d55e00;--s2:#009e73;--s3:#b8538f;--s4:#8a6d00;--s5:#3a9bd6;--s6:#6b4fb3;--s7:#7a7a7a}
@media(prefers-color-scheme:dark){:root{--paper:#14171a;--panel:#1c2024;--ink:#e6e9eb;--muted:#98a2ab;
--grid:#333a40;--good:#4cc38a;--fair:#e2b203;--bad:#f47067;
--s0:#56b4e9;--s1:#f08a4b;--s2:#2fd0a5;--s3:#e394c4;--s4:#e0c04c;--s5:#9ad0f5;--s6:#b39ff0;--s7:#b0b0b0}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:26px;margin:0 0 4px}
h2{font-size:18px;margin:36px 0 10px}
header p{margin:4px 0;color:var(--muted)}
.note{color:var(--muted);font-size:13px;margin:6px 0}
.error{color:var(--bad)!important;white-space:pre-wrap}
.wide{overflow-x:auto;background:var(--panel);border:1px solid var(--grid);border-radius:8px}
.wide:focus-visible{outline:2px solid var(--s0);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:7px 12px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--grid)}
tbody tr:last-child>*{border-bottom:0}
th:first-child,.text{text-align:left}
td.text{white-space:normal}
thead th{color:var(--muted);font-weight:600;font-size:12px}
tbody th{font-weight:600}
td.good{color:var(--good)}td.fair{color:var(--fair)}td.bad{color:var(--bad);font-weight:600}
.mark,.state{font-size:12px;font-weight:600;padding:1px 7px;border-radius:9px;border:1px solid currentColor;
color:var(--muted);white-space:nowrap}
.state.succeeded{color:var(--good)}.state.cached{color:var(--s0)}
.state.failed{color:var(--bad)}.state.cancelled,.state.cancelling{color:var(--fair)}
.charts,.pictures{display:grid;gap:14px;grid-template-columns:repeat(auto-fill,minmax(330px,1fr))}
.pictures{grid-template-columns:repeat(auto-fill,minmax(240px,1fr))}
figure{margin:0;background:var(--panel);border:1px solid var(--grid);border-radius:8px;padding:10px}
figure svg{display:block;width:100%;height:auto}
.title{fill:var(--ink);font-size:14px;font-weight:600}
.tick{fill:var(--muted);font-size:11px}
.grid{stroke:var(--grid);stroke-width:1}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.line.right{stroke-dasharray:6 4}
.legend{display:flex;flex-wrap:wrap;gap:4px 14px;font-size:12px;color:var(--muted);margin-top:4px}
.legend i{display:inline-block;width:12px;height:3px;margin-right:5px;vertical-align:middle}
td.share{background:color-mix(in srgb,var(--s0) calc(var(--share)*55%),transparent)}
.interval{color:var(--muted);font-size:12px}
figure img{display:block;width:100%;height:auto}
.picture{padding:0;overflow:hidden}
figcaption{font-size:12px;color:var(--muted);padding:5px 10px}
.truth{fill:none;stroke:#fff;stroke-width:2;stroke-dasharray:6 4;vector-effect:non-scaling-stroke;
paint-order:stroke}
.found{fill:none;stroke-width:2;vector-effect:non-scaling-stroke}
.tag{font-weight:700;paint-order:stroke;stroke:#000;stroke-width:3px;stroke-opacity:.65}
code{font-size:12px}
details summary{cursor:pointer;color:var(--muted);margin-bottom:8px}
)css";

}  // namespace trainyard::report
