/** Style sheet of the page. */
import { DARK, LIGHT, PLOT_STYLE } from './svg/plot-style.js';

/** All of it; the page's security policy allows this text alone, by its hash. */
export const PAGE_STYLE = `:root{color-scheme:light dark;${LIGHT}}
@media (prefers-color-scheme:dark){:root{${DARK}}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1180px;margin:0 auto;padding:2.5rem 1.5rem 4rem}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 1.2rem;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2.8rem 0 .6rem;padding-top:1rem;border-top:1px solid var(--rule);overflow-wrap:anywhere}
.kind{margin:0;color:var(--soft);font-size:.8rem;letter-spacing:.08em;text-transform:uppercase}
.facts{display:flex;flex-wrap:wrap;gap:.4rem 2rem;margin:0 0 1.2rem}
dt{color:var(--soft);font-size:.85rem}dd{margin:0}
.facts dd{font-size:1.25rem;font-weight:600;font-variant-numeric:tabular-nums}
.keys{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1.2rem;margin:1.2rem 0 0;overflow-wrap:anywhere}
.keys dt{font-size:inherit;max-width:16rem}
.best{background:var(--tint);border-left:4px solid var(--accent);border-radius:4px;padding:.8rem 1.1rem;overflow-wrap:anywhere}
.best p{margin:0}.best .value{font-size:1.15rem;margin:.15rem 0}.best strong{font-size:1.35rem;margin-right:.5rem;font-variant-numeric:tabular-nums}
.star{color:var(--accent)}
.note{color:var(--soft);font-size:.88rem;margin:.5rem 0;overflow-wrap:anywhere}
.notice{border-left:4px solid var(--bad);padding:.4rem 1rem;margin:1rem 0}
.scroll{overflow:auto;max-height:34rem;border:1px solid var(--rule);border-radius:6px;background:var(--card)}
table{border-collapse:collapse;width:100%;font-size:.88rem}
th,td{padding:.38rem .8rem;text-align:left;vertical-align:middle;border-bottom:1px solid var(--rule);white-space:nowrap;max-width:26rem;overflow:hidden;text-overflow:ellipsis}
th.number{white-space:normal;max-width:9.5rem}th.figure{min-width:7.4rem}
th{vertical-align:bottom;position:sticky;top:0;background:var(--card);font-weight:600;z-index:1;box-shadow:inset 0 -1px var(--rule)}
tbody tr:last-child td{border-bottom:0}
.number{text-align:right;font-variant-numeric:tabular-nums}
tr.top{background:var(--tint)}tr.top td:first-child{box-shadow:inset 4px 0 var(--accent)}
tr.message td{padding-top:0;white-space:normal;max-width:none}
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font:.85rem/1.45 ui-monospace,SFMono-Regular,Consolas,"Liberation Mono",monospace}
code{font:.85em ui-monospace,SFMono-Regular,Consolas,"Liberation Mono",monospace;color:var(--soft)}
.failed,.bad{color:var(--bad)}.finished{color:var(--good)}.missing{color:var(--soft)}
summary{cursor:pointer;margin-bottom:.5rem;color:var(--soft)}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));gap:1rem;align-items:start}
figure{margin:0;padding:.6rem;background:var(--card);border:1px solid var(--rule);border-radius:6px;max-width:40rem}
svg.plot{display:block;width:100%;height:auto}svg.strip{width:150px;height:20px}
footer{margin-top:3rem;color:var(--soft);font-size:.88rem}
@media print{:root{${LIGHT}}body{font-size:11px}main{max-width:none;padding:0}.scroll{max-height:none;overflow:visible;border:0}
figure,tr,.best{break-inside:avoid}h2{break-after:avoid}.plots{grid-template-columns:1fr 1fr}th{position:static}th,td{white-space:normal;padding:.2rem .4rem}}
${PLOT_STYLE}`;
